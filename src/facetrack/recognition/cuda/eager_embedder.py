"""Embeds all faces of a batch on the GPU as soon as they are detected, before the tracker asks.

The tracker asks for embeddings one by one, and each answer decides what it asks next. A GPU that is
used so waits most of the time; it embeds every face of a batch in less time than it detects them.
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
from facetrack.cuda.memory import TransferBuffers, preallocate_tensors, ran_out
from facetrack.cuda.streams import stream
from facetrack.recognition.crops import aligned_placements, box_corners
from facetrack.recognition.cuda.embedder import TorchEmbedder

if TYPE_CHECKING:
    from facetrack.media.nvdec.gpu_frame import GpuImage

log = logging.getLogger(__name__)

BATCH = 128
"""Faces in each run of the CUDA graph. A smaller group is filled up with its last face: networks of
another batch size round differently, and then a run would not repeat itself bit for bit."""

T = TypeVar("T")


class EagerEmbedder:
    """Makes crops, their sharpness and their embeddings on a CUDA stream of its own.

    Any thread may call it.
    """

    def __init__(self, embedder: TorchEmbedder, device: torch.device) -> None:
        self._embedder, self._device = embedder, device
        self._stream = stream("eager embedder", device, priority=-1)
        self._graphs: dict[tuple[int, bool], CudaGraph | None] = {}
        """The CUDA graph for each colour format of frames; None where memory for it ran out."""
        self._pool: object = None
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="eager-embedder")
        """Lives as long as the process, as the networks do; Python joins it at the end."""
        self.soon(self._warm_up)()

    def soon(self, work: Callable[[], T]) -> Callable[[], T]:
        """Calls ``work`` in the embedder's thread, after everything that was submitted before.

        Returns:
            A function that waits for the result and raises what ``work`` raised.
        """
        return self._thread.submit(work).result

    @torch.inference_mode()
    def start(
        self, frames: "Sequence[GpuImage]", counts: Sequence[int], faces: Faces
    ) -> Callable[[], Recognised] | None:
        """Begins to embed the faces of some frames.

        Args:
            frames: on the GPU.
            counts: number of faces of each frame.
            faces: of all frames, frame after frame.

        Returns:
            A function that waits for the embeddings. None where the GPU has no memory for them: the
            tracker then has faces embedded when it needs them.
        """
        where = _places(frames, counts, faces)
        groups = [where[i : i + BATCH] for i in range(0, len(where), BATCH)]
        if not groups:
            return lambda: _joined([], self._embedder.dim)
        with self._lock, torch.cuda.stream(self._stream):
            graph = self._graph(frames[0].colour, groups[0])
            if graph is None:
                return None
            answers = [(len(group), graph.run(_filled_with(group))) for group in groups]
        return lambda: _joined(answers, self._embedder.dim)

    @torch.inference_mode()
    def _warm_up(self) -> None:
        """Runs the network once in the thread: CUDA libraries allocate memory for each thread, and
        now there is some."""
        with torch.cuda.stream(self._stream):
            size = self._embedder.crop.size
            shape = 1, size, size, 3
            self._embedder.network(torch.zeros(shape, dtype=torch.uint8, device=self._device))
            self._stream.synchronize()

    def _graph(self, colour: tuple[int, bool], places: NDArray[np.int64]) -> CudaGraph | None:
        if colour not in self._graphs:
            try:
                self._graphs[colour] = self._capture(colour, _filled_with(places))
            except RuntimeError as error:
                if not ran_out(error):
                    raise
                self._graphs[colour] = None
            if self._graphs[colour] is None:  # outside the handler: the error still holds memory
                torch.cuda.empty_cache()
                log.warning("no memory to embed faces as they are found; it is done as needed")
        return self._graphs[colour]

    def _capture(
        self, colour: tuple[int, bool], fill: Callable[[TransferBuffers], None]
    ) -> CudaGraph:
        from facetrack.media.nvdec.gpu_crops import PLACE, aligned_crops, box_crops
        from facetrack.media.nvdec.gpu_frame import colour_arguments
        from facetrack.recognition.cuda.crops import normalised_light, sharpness

        def new_buffers(results: int) -> TransferBuffers:
            return preallocate_tensors(BATCH * PLACE, results, None, self._device)

        def embed_places(numbers: Tensor) -> Tensor:
            table = numbers.view(BATCH, PLACE)
            of_boxes = box_crops(table, matrix)
            crops = aligned_crops(table, matrix, spec.size) if spec.aligned else of_boxes
            embeddings = self._embedder.network(normalised_light(crops))
            return torch.cat([embeddings, sharpness(of_boxes)[:, None]], 1)

        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        spec = self._embedder.crop
        matrix = torch.tensor(colour_arguments(*colour), device=self._device)
        first = new_buffers(0)
        fill(first)
        return CudaGraph(embed_places, first, new_buffers, self._pool, self._device)


def _filled_with(places: NDArray[np.int64]) -> Callable[[TransferBuffers], None]:
    """Writes the places into the input of the graph, the last one again up to ``BATCH``."""

    def fill(buffers: TransferBuffers) -> None:
        table = buffers.numbers.numpy().reshape(BATCH, -1)
        table[: len(places)] = places
        table[len(places) :] = places[-1]

    return fill


def _places(frames: "Sequence[GpuImage]", counts: Sequence[int], faces: Faces) -> NDArray[np.int64]:
    """``(n, 13)`` where each face is, as ``gpu_crops.places``."""
    from facetrack.media.nvdec.gpu_crops import places

    size = np.array(frames[0].shape[::-1])
    addresses = np.repeat([frame.nv12.data_ptr() for frame in frames], counts)
    corners = box_corners(faces.boxes, size)
    return places(addresses, size, corners, aligned_placements(faces.boxes, faces.landmarks))


def _joined(answers: Sequence[tuple[int, Answer]], dim: int) -> Recognised:
    # The last answer first: the thread gives up the interpreter's lock while it waits, and after
    # the last one no other has to be waited for.
    arrived = [answer()[:n] for n, answer in reversed(answers)][::-1]
    numbers = np.concatenate([np.empty((0, dim + 1), np.float32), *arrived])
    return Recognised(numbers[:, :-1], numbers[:, -1])
