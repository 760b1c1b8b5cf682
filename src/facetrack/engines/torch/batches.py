"""How a batch of pictures gets into the cascade and its faces come back.

On a card a batch is one CUDA graph, captured once for its size and room. It reads its pictures
where they are, by their addresses.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.engines.torch.captured import Captured
from facetrack.engines.torch.mtcnn import Found, Room, TorchMtcnn
from facetrack.engines.torch.pixels import Pixels
from facetrack.media.card_memory import bytes_at_hand
from facetrack.media.card_streams import stream
from facetrack.media.picture import Picture
from facetrack.pipeline.batching import calculate_optimal_batch_size
from facetrack.pipeline.memory import Crossing, preallocate_tensors

BYTES_A_PIXEL = 40
"""Of device memory for each pixel of a batch's pictures: 15 were measured with six faces a frame,
and a crowd needs more room."""
ON_CARD = 128
"""Pictures of a graph; a batch of the queue is several. Larger graphs were slower."""
UPLOADED = 64
"""Likewise of pictures that come from the host: they wait in pinned memory."""
ON_CPU = 8
GRAPHS = 6
"""Captured graphs that are kept."""

Arrays = tuple[NDArray[np.float32], ...]


@dataclass
class Running:
    """A batch on its way, and the room that it was given."""

    room: Room
    wait: Callable[[], Arrays]
    """Gives the arrays of ``Found``, as float32."""


class HostBatches:
    """Without a card: at once, in the caller's thread."""

    limit = ON_CPU

    def __init__(self, mtcnn: TorchMtcnn) -> None:
        self._mtcnn = mtcnn
        self.room = Room.to_begin()

    def size(self, pictures: Sequence[Picture]) -> int:
        return self.limit

    def pixels(self, pictures: Sequence[Picture]) -> Pixels:
        return Pixels.of_rgb(torch.from_numpy(np.stack([p.rgb() for p in pictures])))

    @torch.inference_mode()
    def start(self, pictures: Sequence[Picture], size: int, room: Room) -> Running:
        found = self._mtcnn.detect(self.pixels(pictures), room)
        arrays = tuple(t.float().numpy() for t in found)
        return Running(room, lambda: arrays)

    def forget(self) -> None:
        """Nothing is kept."""


class CardBatches:
    """On a card; shared by all analyses of the process, from any thread."""

    limit = 2**30
    """Pictures together, once memory has run out with more."""

    def __init__(self, mtcnn: TorchMtcnn, device: torch.device) -> None:
        self._mtcnn = mtcnn
        self.room = Room.to_begin()
        """For the next batch: as much as any batch so far has needed."""
        self._device = device
        self._stream = stream("detector", device)
        self._graphs: dict[tuple[_Kind, int], _Graph] = {}
        self._sizes: dict[tuple[bool, tuple[int, int]], int] = {}
        """By where pictures are, and their shape: memory at hand goes up and down in a run, and
        with it would what the networks round."""
        self._pool: object = None
        self._lock = threading.Lock()

    def size(self, pictures: Sequence[Picture]) -> int:
        """As memory allowed at first, however few the pictures are: networks of another size round
        otherwise, and then a run would not repeat itself bit for bit."""
        kind = is_on_card(pictures), pictures[0].shape
        if kind not in self._sizes:
            height, width = pictures[0].shape
            self._sizes[kind] = calculate_optimal_batch_size(
                ON_CARD if is_on_card(pictures) else UPLOADED,
                height * width * BYTES_A_PIXEL,
                bytes_at_hand(self._device),
                smallest=1,
            )
        return min(self._sizes[kind], self.limit)

    @torch.inference_mode()
    def pixels(self, pictures: Sequence[Picture]) -> Pixels:
        height, width = pictures[0].shape
        if not is_on_card(pictures):
            rgb = torch.from_numpy(np.stack([p.rgb() for p in pictures])).to(self._device)
            return Pixels.of_rgb(rgb)
        pointers = torch.tensor(_addresses(pictures), device=self._device)
        return _reader(pictures)(pointers, height, width)

    @torch.inference_mode()
    def start(self, pictures: Sequence[Picture], size: int, room: Room) -> Running:
        """Raises ``torch.OutOfMemoryError`` when there is no graph yet and no memory for one."""
        with self._lock, torch.cuda.stream(self._stream):
            return self._graph(pictures, size, room).run(pictures)

    def forget(self) -> None:
        """Gives the memory of all graphs back."""
        with self._lock:
            torch.cuda.synchronize(self._device)
            self._graphs.clear()
            self._pool = None
            torch.cuda.empty_cache()

    def _graph(self, pictures: Sequence[Picture], size: int, room: Room) -> "_Graph":
        colour = getattr(pictures[0], "colour", None)
        key = (_Kind(is_on_card(pictures), pictures[0].shape, colour, room), size)
        if key not in self._graphs:
            while len(self._graphs) >= GRAPHS:
                self._graphs.pop(next(iter(self._graphs)))
            self._graphs[key] = self._captured(pictures, size, room)
        return self._graphs[key]

    def _captured(self, pictures: Sequence[Picture], size: int, room: Room) -> "_Graph":
        height, width = pictures[0].shape
        read = _reader(pictures)

        def cascade(pointers: Tensor) -> Found:
            return self._mtcnn.detect(read(pointers, height, width), room)

        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        uploaded = None if is_on_card(pictures) else (height, width)
        first = preallocate_tensors(size, 0, uploaded, self._device)
        _fill(first, pictures, self._device)
        return _Graph(cascade, first, room, uploaded, self._pool, self._device)


class _Kind(NamedTuple):
    """What a graph was captured for, beside the number of pictures."""

    on_card: bool
    shape: tuple[int, int]
    colour: object
    room: Room


class _Graph:
    """The cascade on so many pictures of one kind."""

    def __init__(
        self,
        cascade: Callable[[Tensor], Found],
        first: Crossing,
        room: Room,
        uploaded: tuple[int, int] | None,
        pool: object,
        device: torch.device,
    ) -> None:
        self._room, self._device = room, device
        self._shapes: list[tuple[int, ...]] = []

        def flat(pointers: Tensor) -> Tensor:
            found = cascade(pointers)
            self._shapes = [tuple(t.shape) for t in found]
            return torch.cat([t.flatten().float() for t in found])

        def new_way(results: int) -> Crossing:
            return preallocate_tensors(len(first.numbers), results, uploaded, device)

        self._captured = Captured(flat, first, new_way, pool, device)

    def run(self, pictures: Sequence[Picture]) -> Running:
        answer = self._captured.run(lambda way: _fill(way, pictures, self._device))
        return Running(self._room, lambda: self._parts(answer()))

    def _parts(self, numbers: NDArray[np.float32]) -> Arrays:
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        parts = np.split(numbers, ends[:-1])
        return tuple(p.reshape(shape) for p, shape in zip(parts, self._shapes, strict=True))


def _fill(way: Crossing, pictures: Sequence[Picture], device: torch.device) -> None:
    """Writes down where the pictures are; those of the host are sent on their way."""
    if way.here is None or way.there is None:
        addresses = _addresses(pictures)
    else:
        for pinned, picture in zip(way.here, pictures, strict=False):
            np.copyto(pinned.numpy(), picture.rgb())
        upload = stream("upload", device)
        with torch.cuda.stream(upload):
            sent = slice(len(pictures))
            way.there[sent].copy_(way.here[sent], non_blocking=True)
            way.arrived.record()
        torch.cuda.current_stream(device).wait_event(way.arrived)
        addresses = [there.data_ptr() for there in way.there[sent]]
    # A graph always reads as many pictures as it was made for: the last one fills it up.
    addresses += addresses[-1:] * (len(way.numbers) - len(addresses))
    way.numbers.numpy()[:] = addresses


def is_on_card(pictures: Sequence[Picture]) -> bool:
    """Whether the pictures lie on the card already; all of a batch do or none."""
    return hasattr(pictures[0], "nv12")


def _addresses(pictures: Sequence[Picture]) -> list[int]:
    return [p.nv12.data_ptr() for p in pictures]  # type: ignore[attr-defined]


def _reader(pictures: Sequence[Picture]) -> Callable[[Tensor, int, int], Pixels]:
    """What makes ``Pixels`` of addresses, height and width."""
    from facetrack.engines.torch.triton_pixels import nv12_packed, rgb_packed
    from facetrack.media.card_picture import CardPicture, colour_arguments

    first = pictures[0]
    if not isinstance(first, CardPicture):
        return lambda at, h, w: Pixels(rgb_packed(at, h, w), h, w)
    matrix = colour_arguments(*first.colour)
    return lambda at, h, w: Pixels(nv12_packed(at, h, w, matrix), h, w)
