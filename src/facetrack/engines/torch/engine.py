"""The torch engine: on a CUDA card in float16, or on the CPU in float32, to be compared."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.detection.boxes import Indices
from facetrack.detection.mtcnn import EXACT
from facetrack.engines.torch.batches import CardBatches, HostBatches, Running
from facetrack.engines.torch.mtcnn import Room, TorchMtcnn
from facetrack.engines.torch.networks import Layers, inception_resnet_v1
from facetrack.engines.torch.pixels import MEAN, SCALE
from facetrack.errors import UsageError
from facetrack.media.picture import Picture
from facetrack.models.registry import shared
from facetrack.models.weights import recognizer_tensors
from facetrack.settings import DetectionSettings, IdentitySettings
from facetrack.types import Faces, Float32

LARGEST_EMBEDDED = 512
"""Crops that are embedded together."""
IN_FLIGHT = 2
"""Batches at a time: while one runs, the one before is copied back and looked at."""


class TorchEngine:
    """Implements ``Engine``.

    Raises:
        UsageError: on opening, when there is no such device.
        WeightsError: likewise, when weights are missing or are others than expected.
    """

    def __init__(self, detection: DetectionSettings, identity: IdentitySettings) -> None:
        self._device = _device(detection.device)
        cuda = self._device.type == "cuda"
        self._dtype = torch.float16 if cuda else torch.float32
        where = torch.cuda.get_device_name(self._device) if cuda else "cpu"
        self.name = f"torch {where} {'f16' if cuda else 'f32'}"
        self._mtcnn = TorchMtcnn(self._device, self._dtype, detection, EXACT)
        self._batches = (CardBatches if cuda else HostBatches)(self._mtcnn, self._device)
        self._embedder = shared(
            ("torch", self._device, identity.recognizer, identity.weights),
            lambda: Layers(recognizer_tensors(identity), self._device, self._dtype),
        )
        self._room: Room | None = None
        self.batch_sizes: list[int] = []
        """Of every batch so far, in order."""

    def detect(self, pictures: Sequence[Picture]) -> Iterator[Faces]:
        if not pictures:
            return
        size = self._batches.size(pictures)
        running: deque[tuple[Sequence[Picture], Running]] = deque()
        for i in range(0, len(pictures), size):
            part = pictures[i : i + size]
            running.append((part, self._start(part, size)))
            if len(running) >= IN_FLIGHT:
                yield from self._finish(*running.popleft(), size)
        while running:
            yield from self._finish(*running.popleft(), size)

    @torch.inference_mode()
    def refine(self, pictures: Sequence[Picture], of_picture: Indices, anchors: Float32) -> Faces:
        used, position = np.unique(of_picture, return_inverse=True)
        rgb = self._batches.rgb([pictures[i] for i in used])
        where = torch.from_numpy(position).to(self._device)
        squares = torch.from_numpy(anchors).to(self._device)
        found = self._mtcnn.look(rgb, where, squares)
        boxes, scores, landmarks = (t.cpu().numpy() for t in found)
        return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")

    @torch.inference_mode()
    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        with self._batches.beside():
            made = [
                self._embed(chips[i : i + LARGEST_EMBEDDED])
                for i in range(0, len(chips), LARGEST_EMBEDDED)
            ]
            return np.asarray(torch.cat(made).cpu().numpy(), np.float32)

    def _embed(self, chips: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(chips).to(self._device)
        x = ((pixels.permute(0, 3, 1, 2).float() - MEAN) * SCALE).to(self._dtype)
        return inception_resnet_v1(self._embedder, x.contiguous(memory_format=torch.channels_last))

    def _start(self, pictures: Sequence[Picture], size: int) -> Running:
        if self._room is None:
            self._room = Room.to_begin(size)
        least = Room.to_begin(size)
        self._room = replace(
            self._room,
            rnet=max(self._room.rnet, least.rnet),
            onet=max(self._room.onet, least.onet),
        )
        self.batch_sizes.append(len(pictures))
        running: Running = self._batches.start(pictures, size, self._room)
        return running

    def _finish(self, pictures: Sequence[Picture], running: Running, size: int) -> Iterator[Faces]:
        """The faces of a batch; done again with more room where the room was not enough."""
        found = running.wait()
        while running.room != (larger := running.room.with_room_for(found.wanted.tolist())):
            assert self._room is not None
            self._room = self._room.with_room_for(found.wanted.tolist())
            running = self._batches.start(pictures, size, larger)
            found = running.wait()
        arrays = [a.numpy() for a in found[:5]]
        for i in range(len(pictures)):
            boxes, scores, landmarks, anchors = (a[i, : arrays[4][i]] for a in arrays[:4])
            yield Faces.of_one_source(boxes, scores, landmarks, anchors, "detected")


def _device(name: str) -> torch.device:
    if name == "torch-cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("device is 'cuda' but torch sees no CUDA card; use --device cpu")
    return torch.device("cuda", torch.cuda.current_device())
