"""How a batch of frames reaches a detector's networks, and how its faces come back.

On a GPU a batch is one CUDA graph, captured once for its size and capacity. The graph reads the
frames at their addresses in GPU memory.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.core.types import Image
from facetrack.cuda.graph import CudaGraph
from facetrack.cuda.memory import TransferBuffers, bytes_at_hand, preallocate_tensors
from facetrack.cuda.streams import stream
from facetrack.detection.cuda.found import Capacity, Found
from facetrack.media.frame_image import FrameImage
from facetrack.runtime.batching import calculate_optimal_batch_size

ON_GPU = 128
"""Frames of a graph. Larger graphs were slower, so a batch of the queue is several graphs."""
UPLOADED = 64
"""The same for frames that come from the host; they wait in pinned memory."""
ON_CPU = 8
"""Frames of a batch without a GPU."""
GRAPHS = 6
"""Number of captured graphs that are kept."""

Arrays = tuple[NDArray[np.float32], ...]
"""The arrays of ``Found`` on the host."""
C = TypeVar("C", bound=Capacity)


class GpuFrames(NamedTuple):
    """``b`` frames of one size in GPU memory."""

    pointers: Tensor
    """``(b,)`` int64 addresses."""
    shape: tuple[int, int]
    """Height and width of the frames in pixels."""
    matrix: tuple[float, ...] | None
    """From NV12 to RGB (``gpu_frame.colour_arguments``). None: the addresses hold the output of
    ``BatchNetworks.image``, RGB made on the host."""


class BatchNetworks(Protocol[C]):
    """A detector's networks on one device, for batches of frames of one size."""

    name: str
    """For messages."""
    first_capacity: C
    """Enough for a few people in each frame."""

    def frame_bytes(self, height: int, width: int) -> int:
        """Device memory that one frame of a batch takes."""
        ...

    def image(self, image: FrameImage) -> Image:
        """What the networks take of a frame in host memory, uint8 RGB."""
        ...

    def in_images(self, images: Tensor, shape: tuple[int, int], capacity: C) -> Found:
        """The faces of frames on the CPU.

        ``images``: ``(b, h, w, 3)`` outputs of ``image``; ``shape``: height and width of the
        frames.
        """
        ...

    def in_frames(self, frames: GpuFrames, capacity: C) -> Found:
        """The faces of frames in GPU memory, without synchronising with the host."""
        ...


@dataclass
class Running(Generic[C]):
    """A batch that was started."""

    capacity: C
    """That the batch runs with."""
    wait: Callable[[], Arrays]
    """Waits for the arrays of ``Found``, as float32."""


class HostBatches(Generic[C]):
    """Runs batches on the CPU, in the caller's thread."""

    limit = ON_CPU

    def __init__(self, networks: BatchNetworks[C]) -> None:
        self._networks = networks
        self.capacity = networks.first_capacity

    def size(self, sources: Sequence[FrameImage]) -> int:
        """Number of frames of a batch."""
        return self.limit

    @torch.inference_mode()
    def start(self, sources: Sequence[FrameImage], size: int, capacity: C) -> Running[C]:
        """Runs the batch."""
        images = torch.from_numpy(np.stack([self._networks.image(p) for p in sources]))
        found = self._networks.in_images(images, sources[0].shape, capacity)
        arrays = tuple(t.float().numpy() for t in found)
        return Running(capacity, lambda: arrays)

    def forget(self) -> None:
        """Does nothing: no graph is kept."""


class GpuBatches(Generic[C]):
    """Runs batches on a GPU. All analyses of the process share it, from any thread."""

    limit = 2**30
    """Maximum number of frames of a batch, once memory has run out with more."""

    def __init__(self, networks: BatchNetworks[C], device: torch.device) -> None:
        self._networks = networks
        self.capacity = networks.first_capacity
        """For the next batch: the largest that any batch so far has needed."""
        self._device = device
        self._stream = stream("detector", device)
        self._graphs: dict[tuple[_Kind, int], _Graph[C]] = {}
        self._sizes: dict[tuple[bool, tuple[int, int]], int] = {}
        """Frames of a batch, by where frames are and their shape; see ``size``."""
        self._pool: object = None
        self._lock = threading.Lock()

    def size(self, sources: Sequence[FrameImage]) -> int:
        """Number of frames of a batch, as free memory allowed when it was first asked.

        It stays the same when there are fewer frames and when free memory changes: networks round
        differently at another batch size, and results would not be the same bit for bit.
        """
        kind = is_on_gpu(sources), sources[0].shape
        if kind not in self._sizes:
            self._sizes[kind] = calculate_optimal_batch_size(
                ON_GPU if is_on_gpu(sources) else UPLOADED,
                self._networks.frame_bytes(*sources[0].shape),
                bytes_at_hand(self._device),
                smallest=1,
            )
        return min(self._sizes[kind], self.limit)

    @torch.inference_mode()
    def start(self, sources: Sequence[FrameImage], size: int, capacity: C) -> Running[C]:
        """Starts a batch.

        Raises:
            OutOfMemoryError: when the graph is not captured yet and there is no memory for it.
        """
        with self._lock, torch.cuda.stream(self._stream):
            return self._graph(sources, size, capacity).run(sources)

    def forget(self) -> None:
        """Gives the memory of all graphs back."""
        with self._lock:
            torch.cuda.synchronize(self._device)
            self._graphs.clear()
            self._pool = None
            torch.cuda.empty_cache()

    def _graph(self, sources: Sequence[FrameImage], size: int, capacity: C) -> "_Graph[C]":
        colour = getattr(sources[0], "colour", None)
        key = (_Kind(is_on_gpu(sources), sources[0].shape, colour, capacity), size)
        if key not in self._graphs:
            while len(self._graphs) >= GRAPHS:
                self._graphs.pop(next(iter(self._graphs)))
            self._graphs[key] = self._capture(sources, size, capacity)
        return self._graphs[key]

    def _capture(self, sources: Sequence[FrameImage], size: int, capacity: C) -> "_Graph[C]":
        shape, matrix = sources[0].shape, matrix_of(sources)
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        uploaded = None
        if not is_on_gpu(sources):
            height, width, _ = self._networks.image(sources[0]).shape
            uploaded = height, width
        first = preallocate_tensors(size, 0, uploaded, self._device)
        upload = _Upload(self._networks.image, self._device)
        upload.fill(first, sources)

        def networks(pointers: Tensor) -> Found:
            return self._networks.in_frames(GpuFrames(pointers, shape, matrix), capacity)

        return _Graph(networks, first, capacity, uploaded, upload, self._pool, self._device)


class _Kind(NamedTuple):
    """What a graph was captured for, beside the number of frames."""

    on_gpu: bool
    shape: tuple[int, int]
    colour: object
    capacity: Capacity


class _Graph(Generic[C]):
    """The captured networks for a fixed number of frames of one kind."""

    def __init__(
        self,
        networks: Callable[[Tensor], Found],
        first: TransferBuffers,
        capacity: C,
        uploaded: tuple[int, int] | None,
        upload: "_Upload",
        pool: object,
        device: torch.device,
    ) -> None:
        self._capacity, self._upload = capacity, upload
        self._shapes: list[tuple[int, ...]] = []

        def flat(pointers: Tensor) -> Tensor:
            found = networks(pointers)
            self._shapes = [tuple(t.shape) for t in found]
            return torch.cat([t.flatten().float() for t in found])

        def new_buffers(results: int) -> TransferBuffers:
            return preallocate_tensors(len(first.numbers), results, uploaded, device)

        self._cuda_graph = CudaGraph(flat, first, new_buffers, pool, device)

    def run(self, sources: Sequence[FrameImage]) -> Running[C]:
        answer = self._cuda_graph.run(lambda buffers: self._upload.fill(buffers, sources))
        return Running(self._capacity, lambda: self._arrays(answer()))

    def _arrays(self, numbers: NDArray[np.float32]) -> Arrays:
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        parts = np.split(numbers, ends[:-1])
        return tuple(p.reshape(shape) for p, shape in zip(parts, self._shapes, strict=True))


class _Upload:
    """Writes the addresses of frames into buffers. Frames in host memory are copied to the GPU."""

    def __init__(self, image: Callable[[FrameImage], Image], device: torch.device) -> None:
        self._image, self._device = image, device

    def fill(self, buffers: TransferBuffers, sources: Sequence[FrameImage]) -> None:
        if buffers.on_host is None or buffers.on_gpu is None:
            at = addresses(sources)
        else:
            for pinned, image in zip(buffers.on_host, sources, strict=False):
                np.copyto(pinned.numpy(), self._image(image))
            upload = stream("upload", self._device)
            with torch.cuda.stream(upload):
                used = slice(len(sources))
                buffers.on_gpu[used].copy_(buffers.on_host[used], non_blocking=True)
                buffers.arrived.record()
            torch.cuda.current_stream(self._device).wait_event(buffers.arrived)
            at = [frame.data_ptr() for frame in buffers.on_gpu[used]]
        # A graph always reads as many frames as it was captured for: the last one is repeated.
        at += at[-1:] * (len(buffers.numbers) - len(at))
        buffers.numbers.numpy()[:] = at


def is_on_gpu(sources: Sequence[FrameImage]) -> bool:
    """Whether the frames are in GPU memory; in a batch all of them are or none."""
    return hasattr(sources[0], "nv12")


def addresses(sources: Sequence[FrameImage]) -> list[int]:
    """The addresses of frames in GPU memory."""
    return [p.nv12.data_ptr() for p in sources]  # type: ignore[attr-defined]


def matrix_of(sources: Sequence[FrameImage]) -> tuple[float, ...] | None:
    """See ``GpuFrames.matrix``."""
    if not is_on_gpu(sources):
        return None
    from facetrack.media.nvdec.gpu_frame import colour_arguments

    return colour_arguments(*sources[0].colour)  # type: ignore[attr-defined]
