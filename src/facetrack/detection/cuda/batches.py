"""How a batch of frames gets into a detector's networks and its faces come back.

On a GPU a batch is one CUDA graph, captured once for its size and room. It reads its frames where
they are, by their addresses.
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
from facetrack.cuda.memory import bytes_at_hand
from facetrack.cuda.preallocation import TransferBuffers, preallocate_tensors
from facetrack.cuda.streams import stream
from facetrack.detection.cuda.found import Found, Room
from facetrack.media.frame_image import FrameImage
from facetrack.runtime.batching import calculate_optimal_batch_size

ON_GPU = 128
"""Frames of a graph; a batch of the queue is several. Larger graphs were slower."""
UPLOADED = 64
"""Likewise of frames that come from the host: they wait in pinned memory."""
ON_CPU = 8
GRAPHS = 6
"""Captured graphs that are kept."""

Arrays = tuple[NDArray[np.float32], ...]
R = TypeVar("R", bound=Room)


class GpuFrames(NamedTuple):
    """Frames of one size in a GPU's memory."""

    pointers: Tensor
    """``(b,)`` int64 addresses."""
    shape: tuple[int, int]
    """Height and width of the frames."""
    matrix: tuple[float, ...] | None
    """From NV12 to RGB, as ``gpu_picture.colour_arguments``; None: at each address lies what
    ``BatchNetworks.image`` made of the frame on the host."""


class BatchNetworks(Protocol[R]):
    """A detector's networks on one device, for a batch of frames of one size."""

    name: str
    """For messages."""
    first_room: R
    """Enough for a few people in each frame."""

    def frame_bytes(self, height: int, width: int) -> int:
        """Of device memory that a frame of a batch takes."""
        ...

    def image(self, image: FrameImage) -> Image:
        """What the networks see of a frame that lies in the host's memory, uint8 RGB."""
        ...

    def in_images(self, images: Tensor, shape: tuple[int, int], room: R) -> Found:
        """On the CPU; ``images``: ``(b, h, w, 3)`` as ``image`` gives them, ``shape``: height and
        width of the frames that they were made of."""
        ...

    def in_frames(self, frames: GpuFrames, room: R) -> Found:
        """On a GPU, without a word to the host."""
        ...


@dataclass
class Running(Generic[R]):
    """A batch on its way, and the room that it was given."""

    room: R
    wait: Callable[[], Arrays]
    """Gives the arrays of ``Found``, as float32."""


class HostBatches(Generic[R]):
    """Without a GPU: at once, in the caller's thread."""

    limit = ON_CPU

    def __init__(self, networks: BatchNetworks[R]) -> None:
        self._networks = networks
        self.room = networks.first_room

    def size(self, sources: Sequence[FrameImage]) -> int:
        return self.limit

    @torch.inference_mode()
    def start(self, sources: Sequence[FrameImage], size: int, room: R) -> Running[R]:
        images = torch.from_numpy(np.stack([self._networks.image(p) for p in sources]))
        found = self._networks.in_images(images, sources[0].shape, room)
        arrays = tuple(t.float().numpy() for t in found)
        return Running(room, lambda: arrays)

    def forget(self) -> None:
        """Nothing is kept."""


class GpuBatches(Generic[R]):
    """On a GPU; shared by all analyses of the process, from any thread."""

    limit = 2**30
    """Frames together, once memory has run out with more."""

    def __init__(self, networks: BatchNetworks[R], device: torch.device) -> None:
        self._networks = networks
        self.room = networks.first_room
        """For the next batch: as much as any batch so far has needed."""
        self._device = device
        self._stream = stream("detector", device)
        self._graphs: dict[tuple[_Kind, int], _Graph[R]] = {}
        self._sizes: dict[tuple[bool, tuple[int, int]], int] = {}
        """By where frames are, and their shape: memory at hand goes up and down in a run, and with
        it would what the networks round."""
        self._pool: object = None
        self._lock = threading.Lock()

    def size(self, sources: Sequence[FrameImage]) -> int:
        """As memory allowed at first, however few the frames are: networks of another size round
        otherwise, and then a run would not repeat itself bit for bit."""
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
    def start(self, sources: Sequence[FrameImage], size: int, room: R) -> Running[R]:
        """Raises ``torch.OutOfMemoryError`` when there is no graph yet and no memory for one."""
        with self._lock, torch.cuda.stream(self._stream):
            return self._graph(sources, size, room).run(sources)

    def forget(self) -> None:
        """Gives the memory of all graphs back."""
        with self._lock:
            torch.cuda.synchronize(self._device)
            self._graphs.clear()
            self._pool = None
            torch.cuda.empty_cache()

    def _graph(self, sources: Sequence[FrameImage], size: int, room: R) -> "_Graph[R]":
        colour = getattr(sources[0], "colour", None)
        key = (_Kind(is_on_gpu(sources), sources[0].shape, colour, room), size)
        if key not in self._graphs:
            while len(self._graphs) >= GRAPHS:
                self._graphs.pop(next(iter(self._graphs)))
            self._graphs[key] = self._captured(sources, size, room)
        return self._graphs[key]

    def _captured(self, sources: Sequence[FrameImage], size: int, room: R) -> "_Graph[R]":
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
            return self._networks.in_frames(GpuFrames(pointers, shape, matrix), room)

        return _Graph(networks, first, room, uploaded, upload, self._pool, self._device)


class _Kind(NamedTuple):
    """What a graph was captured for, beside the number of frames."""

    on_gpu: bool
    shape: tuple[int, int]
    colour: object
    room: Room


class _Graph(Generic[R]):
    """The networks on so many frames of one kind."""

    def __init__(
        self,
        networks: Callable[[Tensor], Found],
        first: TransferBuffers,
        room: R,
        uploaded: tuple[int, int] | None,
        upload: "_Upload",
        pool: object,
        device: torch.device,
    ) -> None:
        self._room, self._upload = room, upload
        self._shapes: list[tuple[int, ...]] = []

        def flat(pointers: Tensor) -> Tensor:
            found = networks(pointers)
            self._shapes = [tuple(t.shape) for t in found]
            return torch.cat([t.flatten().float() for t in found])

        def new_way(results: int) -> TransferBuffers:
            return preallocate_tensors(len(first.numbers), results, uploaded, device)

        self._captured = CudaGraph(flat, first, new_way, pool, device)

    def run(self, sources: Sequence[FrameImage]) -> Running[R]:
        answer = self._captured.run(lambda way: self._upload.fill(way, sources))
        return Running(self._room, lambda: self._parts(answer()))

    def _parts(self, numbers: NDArray[np.float32]) -> Arrays:
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        parts = np.split(numbers, ends[:-1])
        return tuple(p.reshape(shape) for p, shape in zip(parts, self._shapes, strict=True))


class _Upload:
    """Writes down where frames are; those of the host are sent on their way."""

    def __init__(self, image: Callable[[FrameImage], Image], device: torch.device) -> None:
        self._image, self._device = image, device

    def fill(self, way: TransferBuffers, sources: Sequence[FrameImage]) -> None:
        if way.here is None or way.there is None:
            at = addresses(sources)
        else:
            for pinned, image in zip(way.here, sources, strict=False):
                np.copyto(pinned.numpy(), self._image(image))
            upload = stream("upload", self._device)
            with torch.cuda.stream(upload):
                sent = slice(len(sources))
                way.there[sent].copy_(way.here[sent], non_blocking=True)
                way.arrived.record()
            torch.cuda.current_stream(self._device).wait_event(way.arrived)
            at = [there.data_ptr() for there in way.there[sent]]
        # A graph always reads as many frames as it was made for: the last one fills it up.
        at += at[-1:] * (len(way.numbers) - len(at))
        way.numbers.numpy()[:] = at


def is_on_gpu(sources: Sequence[FrameImage]) -> bool:
    """Whether the frames lie on the GPU already; all of a batch do or none."""
    return hasattr(sources[0], "nv12")


def addresses(sources: Sequence[FrameImage]) -> list[int]:
    """Of frames that lie on the GPU."""
    return [p.nv12.data_ptr() for p in sources]  # type: ignore[attr-defined]


def matrix_of(sources: Sequence[FrameImage]) -> tuple[float, ...] | None:
    """See ``GpuFrames.matrix``."""
    if not is_on_gpu(sources):
        return None
    from facetrack.media.nvdec.gpu_frame import colour_arguments

    return colour_arguments(*sources[0].colour)  # type: ignore[attr-defined]
