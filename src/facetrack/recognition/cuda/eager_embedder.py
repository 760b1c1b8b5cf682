"""Embeddings of all faces of a batch that is on a GPU, before anybody asks for one.

The tracker's questions come one by one, and each answer decides the next question: a GPU that is
asked so waits most of the time. It embeds every face of a batch in less time than it detects them.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.core.types import Faces, Recognised
from facetrack.cuda.graph import Answer, CudaGraph
from facetrack.cuda.memory import ran_out
from facetrack.cuda.preallocation import TransferBuffers, preallocate_tensors
from facetrack.cuda.streams import stream
from facetrack.recognition.crops import aligned_placements, box_corners
from facetrack.recognition.cuda.embedder import TorchEmbedder

if TYPE_CHECKING:
    from facetrack.media.nvdec.gpu_frame import GpuImage

log = logging.getLogger(__name__)

TOGETHER = 128
"""Faces of the one graph, which is filled up with the last face: networks of another size round
otherwise, and then a run would not repeat itself bit for bit."""

T = TypeVar("T")


class EagerEmbedder:
    """Makes crops, their sharpness and embeddings on a stream of its own; from any thread."""

    def __init__(self, embedder: TorchEmbedder, device: torch.device) -> None:
        self._embedder, self._device = embedder, device
        self._stream = stream("ahead", device, priority=-1)
        self._graphs: dict[tuple[int, bool], CudaGraph | None] = {}
        """By the colours of the frames; None where memory for it ran out."""
        self._pool: object = None
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        """As long as the process, as the networks are; Python joins it at the end."""
        self.soon(self._make_ready)()

    def soon(self, look: Callable[[], T]) -> Callable[[], T]:
        """Calls it in a thread, after all that were to be called before; what is returned waits
        for it, and raises what it raised."""
        return self._thread.submit(look).result

    @torch.inference_mode()
    def start(
        self, frames: "Sequence[GpuImage]", counts: Sequence[int], faces: Faces
    ) -> Callable[[], Recognised] | None:
        """Begins the work; what is returned waits for it. None where memory for it ran out: faces
        are embedded when somebody asks then.

        ``faces``: frame after frame, of which each has so many.
        """
        where = _places(frames, counts, faces)
        groups = [where[i : i + TOGETHER] for i in range(0, len(where), TOGETHER)]
        if not groups:
            return lambda: _joined([], self._embedder.dim)
        with self._lock, torch.cuda.stream(self._stream):
            graph = self._graph(frames[0].colour, groups[0])
            if graph is None:
                return None
            answers = [(len(group), graph.run(_filled_with(group))) for group in groups]
        return lambda: _joined(answers, self._embedder.dim)

    @torch.inference_mode()
    def _make_ready(self) -> None:
        """The thread gets what libraries hold for each that computes, while there is memory."""
        with torch.cuda.stream(self._stream):
            size = self._embedder.crop.size
            shape = 1, size, size, 3
            self._embedder.network(torch.zeros(shape, dtype=torch.uint8, device=self._device))
            self._stream.synchronize()

    def _graph(self, colour: tuple[int, bool], places: NDArray[np.int64]) -> CudaGraph | None:
        if colour not in self._graphs:
            try:
                self._graphs[colour] = self._captured(colour, _filled_with(places))
            except RuntimeError as error:
                if not ran_out(error):
                    raise
                self._graphs[colour] = None
            if self._graphs[colour] is None:  # only here what it had taken can be given back
                torch.cuda.empty_cache()
                log.warning("no memory to embed faces as they are found; it is done as needed")
        return self._graphs[colour]

    def _captured(
        self, colour: tuple[int, bool], fill: Callable[[TransferBuffers], None]
    ) -> CudaGraph:
        from facetrack.media.nvdec.gpu_crops import PLACE, aligned_crops, box_crops
        from facetrack.media.nvdec.gpu_frame import colour_arguments
        from facetrack.recognition.cuda.light import normalised_light
        from facetrack.recognition.cuda.sharpness import sharpness

        def new_way(results: int) -> TransferBuffers:
            return preallocate_tensors(TOGETHER * PLACE, results, None, self._device)

        def look(numbers: Tensor) -> Tensor:
            table = numbers.view(TOGETHER, PLACE)
            of_boxes = box_crops(table, matrix)
            crops = aligned_crops(table, matrix, spec.size) if spec.aligned else of_boxes
            embeddings = self._embedder.network(normalised_light(crops))
            return torch.cat([embeddings, sharpness(of_boxes)[:, None]], 1)

        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        spec = self._embedder.crop
        matrix = torch.tensor(colour_arguments(*colour), device=self._device)
        first = new_way(0)
        fill(first)
        return CudaGraph(look, first, new_way, self._pool, self._device)


def _filled_with(places: NDArray[np.int64]) -> Callable[[TransferBuffers], None]:
    def fill(way: TransferBuffers) -> None:
        table = way.numbers.numpy().reshape(TOGETHER, -1)
        table[: len(places)] = places
        table[len(places) :] = places[-1]

    return fill


def _places(frames: "Sequence[GpuImage]", counts: Sequence[int], faces: Faces) -> NDArray[np.int64]:
    """``(n, 13)`` as ``gpu_crops.places``."""
    from facetrack.media.nvdec.gpu_crops import places

    size = np.array(frames[0].shape[::-1])
    addresses = np.repeat([frame.nv12.data_ptr() for frame in frames], counts)
    corners = box_corners(faces.boxes, size)
    return places(addresses, size, corners, aligned_placements(faces.boxes, faces.landmarks))


def _joined(answers: Sequence[tuple[int, Answer]], dim: int) -> Recognised:
    # The last one first: whoever waits loses the interpreter, and behind it nothing is waited for.
    arrived = [answer()[:n] for n, answer in reversed(answers)][::-1]
    numbers = np.concatenate([np.empty((0, dim + 1), np.float32), *arrived])
    return Recognised(numbers[:, :-1], numbers[:, -1])
