"""The torch engine: on a CUDA card in float16, or on the CPU in float32, to be compared."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from facetrack.detection.boxes import Indices
from facetrack.detection.mtcnn import EXACT
from facetrack.engines.torch.batches import CardBatches, HostBatches, Running
from facetrack.engines.torch.embedder import Embedder
from facetrack.engines.torch.mtcnn import Room, TorchMtcnn
from facetrack.errors import UsageError
from facetrack.media.picture import Picture
from facetrack.models.registry import shared
from facetrack.models.weights import recognizer_tensors
from facetrack.settings import DetectionSettings, IdentitySettings
from facetrack.types import Faces, Float32

IN_FLIGHT = 2
"""Batches of one call at a time: while one runs, the one before is copied back and looked at."""


class TorchEngine:
    """Implements ``Engine``.

    Raises:
        UsageError: on opening, when there is no such device.
        WeightsError: likewise, when weights are missing or are others than expected.
    """

    def __init__(self, detection: DetectionSettings, identity: IdentitySettings) -> None:
        self._device = _device(detection.device)
        cuda = self._device.type == "cuda"
        dtype = torch.float16 if cuda else torch.float32
        where = torch.cuda.get_device_name(self._device) if cuda else "cpu"
        self.name = f"torch {where} {'f16' if cuda else 'f32'}"
        self.card = f"GPU-{torch.cuda.get_device_properties(self._device).uuid}" if cuda else None
        self._mtcnn = TorchMtcnn(self._device, dtype, detection, EXACT)
        self._batches = (CardBatches if cuda else HostBatches)(self._mtcnn, self._device)
        self._embedder = shared(
            ("torch", self._device, identity.recognizer, identity.weights),
            lambda: Embedder(recognizer_tensors(identity), self._device, dtype),
        )
        self._room: Room | None = None
        self.batch_sizes: list[int] = []
        """Of every batch so far, in order."""

    def detect(self, pictures: Sequence[Picture]) -> Iterator[Faces]:
        if not pictures:
            return iter(())
        size = self._batches.size(pictures)
        parts = deque(pictures[i : i + size] for i in range(0, len(pictures), size))
        running: deque[tuple[Sequence[Picture], Running]] = deque()
        self._start_some(parts, running, size)
        return self._found(parts, running, size)

    def _found(
        self,
        parts: deque[Sequence[Picture]],
        running: deque[tuple[Sequence[Picture], Running]],
        size: int,
    ) -> Iterator[Faces]:
        while running:
            found = self._finish(*running.popleft(), size)
            self._start_some(parts, running, size)
            yield from found

    def _start_some(
        self,
        parts: deque[Sequence[Picture]],
        running: deque[tuple[Sequence[Picture], Running]],
        size: int,
    ) -> None:
        while parts and len(running) < IN_FLIGHT:
            part = parts.popleft()
            running.append((part, self._start(part, size)))

    @torch.inference_mode()
    def refine(self, pictures: Sequence[Picture], of_picture: Indices, anchors: Float32) -> Faces:
        used, position = np.unique(of_picture, return_inverse=True)
        rgb = self._batches.rgb([pictures[i] for i in used])
        where = torch.from_numpy(position).to(self._device)
        squares = torch.from_numpy(anchors).to(self._device)
        found = self._mtcnn.look(rgb, where, squares)
        boxes, scores, landmarks = (t.cpu().numpy() for t in found)
        return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")

    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        embeddings: Float32 = self._embedder.embed(chips)
        return embeddings

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

    def _finish(self, pictures: Sequence[Picture], running: Running, size: int) -> list[Faces]:
        """The faces of a batch; done again with more room where the room was not enough."""
        found = running.wait()
        while running.room != (larger := running.room.with_room_for(found.wanted.tolist())):
            assert self._room is not None
            self._room = self._room.with_room_for(found.wanted.tolist())
            running = self._batches.start(pictures, size, larger)
            found = running.wait()
        boxes, scores, landmarks, anchors, counts = (a.numpy() for a in found[:5])
        return [
            Faces.of_one_source(
                boxes[i, :n], scores[i, :n], landmarks[i, :n], anchors[i, :n], "detected"
            )
            for i, n in enumerate(counts.tolist()[: len(pictures)])
        ]


def _device(name: str) -> torch.device:
    if name == "torch-cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("device is 'cuda' but torch sees no CUDA card; use --device cpu")
    return torch.device("cuda", torch.cuda.current_device())
