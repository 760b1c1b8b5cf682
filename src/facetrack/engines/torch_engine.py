"""The torch engine: on a CUDA card in float16, or on the CPU in float32 to check it against others.

On a card each batch is one CUDA graph, captured once for its size; its results are copied back
while the next batch runs and looked at one batch later.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.detection.boxes import Indices
from facetrack.detection.mtcnn import EXACT
from facetrack.engines.torch_mtcnn import Found, Room, TorchMtcnn
from facetrack.engines.torch_networks import Layers, inception_resnet_v1
from facetrack.engines.torch_pixels import MEAN, SCALE
from facetrack.errors import UsageError
from facetrack.media.picture import Picture
from facetrack.models.registry import shared
from facetrack.models.weights import recognizer_tensors
from facetrack.pipeline.batching import calculate_optimal_batch_size
from facetrack.settings import DetectionSettings, IdentitySettings
from facetrack.types import Faces, Float32

BYTES_A_PIXEL = 80
"""Of device memory that a batch takes for each pixel of its pictures, measured."""
LARGEST_EMBEDDED = 512
ON_CPU = 8
"""Pictures of a batch where there is no card."""


class TorchEngine:
    """Implements ``Engine``.

    Raises:
        UsageError: on opening, when there is no such device.
        WeightsError: likewise, when weights are missing or are others than expected.
    """

    def __init__(self, detection: DetectionSettings, identity: IdentitySettings) -> None:
        self._device = _device(detection.device)
        self._cuda = self._device.type == "cuda"
        self._dtype = torch.float16 if self._cuda else torch.float32
        where = torch.cuda.get_device_name(self._device) if self._cuda else "cpu"
        self.name = f"torch {where} {'f16' if self._cuda else 'f32'}"
        self._mtcnn = TorchMtcnn(self._device, self._dtype, detection, EXACT)
        self._embedder = shared(
            ("torch", self._device, identity.recognizer, identity.weights),
            lambda: Layers(recognizer_tensors(identity), self._device, self._dtype),
        )
        self._room = Room()
        self._graphs: dict[tuple[tuple[int, ...], Room], _Graph] = {}
        self.batch_sizes: list[int] = []
        """Of every batch so far, in order."""

    def detect(self, pictures: Sequence[Picture]) -> Iterator[Faces]:
        running: deque[tuple[Sequence[Picture], _Running]] = deque()
        size = self._batch_size(pictures)
        for i in range(0, len(pictures), size):
            part = pictures[i : i + size]
            running.append((part, self._start(part, size)))
            if len(running) > 1:
                yield from self._finish(*running.popleft())
        while running:
            yield from self._finish(*running.popleft())

    @torch.inference_mode()
    def refine(self, pictures: Sequence[Picture], of_picture: Indices, anchors: Float32) -> Faces:
        used, position = np.unique(of_picture, return_inverse=True)
        rgb = self._upload([pictures[i] for i in used])
        where = torch.from_numpy(position).to(self._device)
        squares = torch.from_numpy(anchors).to(self._device)
        found = self._mtcnn.look(rgb, where, squares)
        boxes, scores, landmarks = (t.cpu().numpy() for t in found)
        return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")

    @torch.inference_mode()
    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        made = [
            self._embed(chips[i : i + LARGEST_EMBEDDED])
            for i in range(0, len(chips), LARGEST_EMBEDDED)
        ]
        return np.asarray(torch.cat(made).cpu().numpy(), np.float32)

    def _embed(self, chips: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(chips).to(self._device, non_blocking=True)
        x = ((pixels.permute(0, 3, 1, 2).float() - MEAN) * SCALE).to(self._dtype)
        return inception_resnet_v1(self._embedder, x.contiguous(memory_format=torch.channels_last))

    def _batch_size(self, pictures: Sequence[Picture]) -> int:
        if not self._cuda:
            return ON_CPU
        height, width = pictures[0].shape if pictures else (1, 1)
        free, _ = torch.cuda.mem_get_info(self._device)
        reserved = torch.cuda.memory_reserved(self._device)
        return calculate_optimal_batch_size(
            len(pictures), height * width * BYTES_A_PIXEL, free + reserved
        )

    @torch.inference_mode()
    def _start(self, pictures: Sequence[Picture], size: int) -> "_Running":
        self.batch_sizes.append(len(pictures))
        rgb = self._upload(pictures)
        if not self._cuda:
            return _Running(self._mtcnn.detect(rgb, self._room), self._room)
        key = ((size, *rgb.shape[1:]), self._room)
        if key not in self._graphs:
            self._graphs[key] = _Graph(self._mtcnn, key[0], self._room, self._device)
        return _Running(self._graphs[key].run(rgb), self._room)

    def _upload(self, pictures: Sequence[Picture]) -> Tensor:
        return torch.from_numpy(np.stack([p.rgb() for p in pictures])).to(self._device)

    def _finish(self, pictures: Sequence[Picture], running: "_Running") -> Iterator[Faces]:
        """The faces of a batch; done again with more room where the room was not enough."""
        found = running.wait()
        room = _larger(running.room, found.wanted.tolist())
        if room != running.room:
            self._room = _larger(self._room, found.wanted.tolist())
            again = self._start(pictures, len(pictures))
            yield from self._finish(pictures, again)
            return
        arrays = [a.numpy() for a in found[:5]]
        for i in range(len(pictures)):
            boxes, scores, landmarks, anchors = (a[i, : arrays[4][i]] for a in arrays[:4])
            yield Faces.of_one_source(boxes, scores, landmarks, anchors, "detected")


@dataclass
class _Running:
    """A batch on its way; ``room`` is what it was given."""

    found: Found
    room: Room
    done: "torch.cuda.Event | None" = None

    def wait(self) -> Found:
        if self.done is not None:
            self.done.synchronize()
        return Found(*(t.cpu() for t in self.found))


class _Graph:
    """The cascade on pictures of one size, captured; its arrays are taken once."""

    def __init__(
        self, mtcnn: TorchMtcnn, shape: tuple[int, ...], room: Room, device: torch.device
    ) -> None:
        self._rgb = torch.zeros(shape, dtype=torch.uint8, device=device)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # libraries and Triton prepare themselves outside the graph
            for _ in range(2):
                mtcnn.detect(self._rgb, room)
        torch.cuda.current_stream(device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._found = mtcnn.detect(self._rgb, room)

    def run(self, rgb: Tensor) -> Found:
        """Fewer pictures than the graph has leave the rest as they were."""
        self._rgb[: len(rgb)].copy_(rgb, non_blocking=True)
        self._graph.replay()
        return Found(*(t.clone() for t in self._found))


def _larger(room: Room, wanted: Sequence[int]) -> Room:
    """Room for what was wanted, in powers of two; the same room where it sufficed."""
    sizes = (getattr(room, f.name) for f in fields(room))
    return Room(
        *(
            size if want <= size else 1 << (int(want) - 1).bit_length()
            for size, want in zip(sizes, wanted, strict=True)
        )
    )


def _device(name: str) -> torch.device:
    if name == "torch-cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("device is 'cuda' but torch sees no CUDA card; use --device cpu")
    return torch.device("cuda", torch.cuda.current_device())
