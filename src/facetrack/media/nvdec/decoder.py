"""A session of the GPU's own decoder: takes packets, gives frames in the GPU's memory."""

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, groupby
from math import inf
from typing import Any, NamedTuple

import numpy as np
import PyNvVideoCodec as nvc
import torch
from torch import Tensor

from facetrack.core.errors import FacetrackError
from facetrack.cuda.gather import gathered
from facetrack.cuda.memory import SMALLEST_BLOCK, empty_in_time, memory_for
from facetrack.media.nvdec.packets import AnnexB, brings_parameters, joined

PACKETS_AT_ONCE = 16
"""Packets given to a decoder in one call; it has surfaces of its own for as many frames."""
CONTEXT_BYTES = 1 << 30
"""Free GPU memory needed to make a CUDA context: twice what a context was measured to take."""
CODECS = {"h264": nvc.cudaVideoCodec.H264, "hevc": nvc.cudaVideoCodec.HEVC}


class Block(NamedTuple):
    """Frames in one piece of GPU memory, in presentation order."""

    nv12: Tensor
    """``(n, height * 3 / 2, width)`` uint8."""
    times: list[int]
    """Presentation times in units of the stream's time base."""


def decoding_engines(codec: str, height: int, width: int, device: torch.device) -> int:
    """How many decoder engines of the GPU can decode such frames in parallel; 0: none can."""
    try:
        can = _capabilities(codec, device)
    except torch.OutOfMemoryError:
        return 1
    fits = (
        can["width_min"] <= width <= can["width_max"]
        and can["height_min"] <= height <= can["height_max"]
    )
    return int(can["num_decoder_engines"]) if can["supported"] and fits else 0


@cache
def _capabilities(codec: str, device: torch.device) -> dict[str, int]:
    """What the GPU's decoders can do with a codec.

    The query makes a CUDA context. Where that fails for lack of memory, the context that the
    process already has is lost too; so free memory is checked first.
    """
    free, _ = torch.cuda.mem_get_info(device)
    if free < CONTEXT_BYTES:
        raise torch.OutOfMemoryError
    can: dict[str, int] = nvc.GetDecoderCaps(gpuid=device.index or 0, codec=CODECS[codec])
    return can


class GpuDecoder:
    """A decoder session, for use by one thread; copies its surfaces on one CUDA stream."""

    def __init__(
        self, codec: str, device: torch.device, stream: "torch.cuda.Stream", block: int
    ) -> None:
        """``block``: maximum number of frames in one piece of memory."""
        self._device, self._stream, self._block = device, stream, block
        with _errors_on_one_line():
            self._decoder = nvc.CreateDecoder(
                gpuid=device.index or 0,
                codec=CODECS[codec],
                cudastream=stream.cuda_stream,
                usedevicememory=True,
            )

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """GPU work of the body runs after the copies of the frames given so far."""
        with (
            _errors_on_one_line(),
            memory_for("decoded frames"),
            torch.inference_mode(),
            torch.cuda.stream(self._stream),
        ):
            yield

    def part(self, packets: Sequence[Any], shown: Container[int], annexb: AnnexB) -> list[Block]:
        """The frames of a part, in presentation order.

        Many packets are given to the decoder as one, because each call has to wait for the
        interpreter's lock. The decoder then knows no times, but gives frames in order. Where a
        frame is missing, or some are not to be shown, packets are given one by one with their
        times.
        """
        times = sorted(p.pts for p in packets)
        if all(pts in shown for pts in times) and not any(map(brings_parameters, packets)):
            groups = (
                packets[i : i + PACKETS_AT_ONCE] for i in range(0, len(packets), PACKETS_AT_ONCE)
            )
            pieces = ((annexb.of(joined(group)), 0) for group in groups)
            blocks = list(self.run(pieces, None, len(times)))
            if sum(len(block.times) for block in blocks) == len(times):
                given = iter(times)
                return [b._replace(times=[next(given) for _ in b.times]) for b in blocks]
        return list(self.run(annexb.each(packets), shown, len(times)))

    def run(
        self,
        pieces: Iterable[tuple[bytes, int]],
        shown: Container[int] | None,
        most: float = inf,
    ) -> Iterator[Block]:
        """Decodes all pieces; gives the frames that are shown, with the decoder's times.

        Args:
            pieces: units of one or more packets, and their presentation time.
            shown: presentation times of the frames to keep; None: all are kept.
            most: number of frames expected.
        """
        filling = _Filling(self._device, self._block, most)
        filled = ((data, pts) for data, pts in pieces if data)
        for data, pts in chain(filled, [(b"", 0)]):
            with self.at_work():
                surfaces = self._decoder.Decode(_packet(data, pts))
                full = filling.add([s for s in surfaces if shown is None or s.getPTS() in shown])
            yield from full
        yield from filling.rest()


class _Filling:
    """Copies surfaces into blocks, because the decoder uses its surfaces again."""

    def __init__(self, device: torch.device, block: int, most: float) -> None:
        self._device, self._block, self._left = device, block, most
        self._memory: Tensor | None = None
        self._times: list[int] = []

    def add(self, surfaces: Sequence[Any]) -> list[Block]:
        """Copies the surfaces; gives the blocks that are full now."""
        full = []
        for shape, group in groupby(surfaces, lambda surface: tuple(surface.shape)):
            some = list(group)
            while some:
                if self._memory is None or self._memory.shape[1:] != shape:
                    full += self.rest()
                    self._memory = self._piece(shape)
                free = self._memory[len(self._times) :]
                kept, some = some[: len(free)], some[len(free) :]
                places = torch.tensor([s.GetPtrToPlane(0) for s in kept], pin_memory=True)
                gathered(places.to(self._device, non_blocking=True), free[: len(kept)])
                self._times += [s.getPTS() for s in kept]
                if len(kept) == len(free):
                    full += self.rest()
        return full

    def rest(self) -> list[Block]:
        """The frames that are left, as a block."""
        memory, times = self._memory, self._times
        self._memory, self._times = None, []
        return [] if memory is None else [Block(memory[: len(times)], times)]

    def _piece(self, shape: tuple[int, ...]) -> Tensor:
        """Memory for a block. Lengths go in steps, so that memory freed by a part fits the next."""
        steps = max(1, -(-self._left // SMALLEST_BLOCK))
        frames = int(min(self._block, steps * SMALLEST_BLOCK))
        self._left -= frames
        return empty_in_time((frames, *shape), torch.uint8, self._device)


def _packet(data: bytes, pts: int) -> Any:
    """A packet for the decoder; an empty one ends the stream. ``data`` must outlive the call."""
    packet = nvc.PacketData()
    if data:
        packet.bsl_data = np.frombuffer(data, np.uint8).ctypes.data
        packet.bsl = len(data)
        packet.pts = pts
    return packet


@contextmanager
def _errors_on_one_line() -> Iterator[None]:
    """Replaces the library's errors, which span many lines, by a ``FacetrackError`` of one line."""
    try:
        yield
    except nvc.PyNvVCException as error:
        raise FacetrackError(
            f"the GPU's decoder failed ({' '.join(str(error).split())}); use --device cpu"
        ) from error
