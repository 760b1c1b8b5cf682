"""How a batch of pictures gets into the cascade and its faces come back.

On a card a batch is one CUDA graph, captured once for its size and room; what it finds is copied
to pinned memory behind it, so that nobody waits while the next batch is started.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facetrack.engines.torch.mtcnn import Found, Room, TorchMtcnn
from facetrack.media.card_streams import stream
from facetrack.media.picture import Picture
from facetrack.pipeline.batching import calculate_optimal_batch_size

BYTES_A_PIXEL = 80
"""Of device memory that a batch takes for each pixel of its pictures, measured."""
LARGEST_BATCH = 128
"""Pictures together; more gain nothing on an H200."""
ON_CPU = 8
GRAPHS = 4
"""Captured graphs that are kept."""


@dataclass
class Running:
    """A batch on its way, and the room that it was given."""

    found: Found
    room: Room
    done: "torch.cuda.Event | None" = None

    def wait(self) -> Found:
        if self.done is not None:
            self.done.synchronize()
        return self.found


class HostBatches:
    """Without a card: at once, in the caller's thread."""

    def __init__(self, mtcnn: TorchMtcnn, device: torch.device) -> None:
        self._mtcnn = mtcnn

    def size(self, pictures: Sequence[Picture]) -> int:
        return ON_CPU

    def rgb(self, pictures: Sequence[Picture]) -> Tensor:
        return torch.from_numpy(np.stack([p.rgb() for p in pictures]))

    @torch.inference_mode()
    def start(self, pictures: Sequence[Picture], size: int, room: Room) -> Running:
        return Running(self._mtcnn.detect(self.rgb(pictures), room), room)


class CardBatches:
    """On a card; pictures that are there already are not moved."""

    def __init__(self, mtcnn: TorchMtcnn, device: torch.device) -> None:
        self._mtcnn = mtcnn
        self._device = device
        self._graphs: dict[object, _Graph] = {}

    def size(self, pictures: Sequence[Picture]) -> int:
        height, width = pictures[0].shape
        free, _ = torch.cuda.mem_get_info(self._device)
        kept = torch.cuda.memory_reserved(self._device)
        fitting = calculate_optimal_batch_size(
            len(pictures), height * width * BYTES_A_PIXEL, free + kept
        )
        return min(fitting, LARGEST_BATCH)

    def rgb(self, pictures: Sequence[Picture]) -> Tensor:
        pixels, to_rgb = _pixels(pictures)
        return to_rgb(torch.stack(pixels).to(self._device))

    @torch.inference_mode()
    def start(self, pictures: Sequence[Picture], size: int, room: Room) -> Running:
        pixels, to_rgb = _pixels(pictures)
        key = (size, pixels[0].shape, getattr(pictures[0], "colour", None), room)
        if key not in self._graphs:
            while len(self._graphs) >= GRAPHS:
                self._graphs.pop(next(iter(self._graphs)))
            whole = (size, *pixels[0].shape)
            self._graphs[key] = _Graph(self._mtcnn, whole, to_rgb, room, self._device)
        return self._graphs[key].run(pixels)


class _Graph:
    """The cascade on pictures of one size, captured; its arrays are taken once."""

    def __init__(
        self,
        mtcnn: TorchMtcnn,
        shape: tuple[int, ...],
        to_rgb: Callable[[Tensor], Tensor],
        room: Room,
        device: torch.device,
    ) -> None:
        self._room = room
        self._pixels = torch.zeros(shape, dtype=torch.uint8, device=device)
        side = stream("capture", device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # libraries and Triton prepare themselves outside the graph
            for _ in range(2):
                mtcnn.detect(to_rgb(self._pixels), room)
        torch.cuda.current_stream(device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=side, capture_error_mode="thread_local"):
            self._found = mtcnn.detect(to_rgb(self._pixels), room)

    def run(self, pixels: Sequence[Tensor]) -> Running:
        """Fewer pictures than the graph has leave the rest as they were."""
        torch.stack(list(pixels), out=self._pixels[: len(pixels)])
        self._graph.replay()
        host = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in self._found]
        for here, there in zip(host, self._found, strict=True):
            here.copy_(there, non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        return Running(Found(*host), self._room, done)


def _pixels(pictures: Sequence[Picture]) -> tuple[list[Tensor], Callable[[Tensor], Tensor]]:
    """The pictures' pixels, and what makes RGB of them once they are stacked on the card."""
    from facetrack.engines.torch.triton_pixels import nv12_to_rgb
    from facetrack.media.card_picture import CardPicture, colour_arguments

    on_card = [p for p in pictures if isinstance(p, CardPicture)]
    if len(on_card) < len(pictures):
        return [torch.from_numpy(p.rgb()).cuda(non_blocking=True) for p in pictures], lambda x: x
    matrix = colour_arguments(*on_card[0].colour)
    return [p.nv12 for p in on_card], lambda nv12: nv12_to_rgb(nv12, matrix)
