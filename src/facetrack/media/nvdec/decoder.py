"""A session of the GPU's own decoder: packets in, frames in the GPU's memory out."""

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
from facetrack.media.nvdec.annexb import AnnexB, brings_parameters, joined

TOGETHER = 16
"""Packets given to a decoder at once; it has surfaces of its own for as many frames."""
CONTEXT_BYTES = 1 << 30
"""Of memory, twice what a context took."""
CODECS = {"h264": nvc.cudaVideoCodec.H264, "hevc": nvc.cudaVideoCodec.HEVC}


class Block(NamedTuple):
    """Frames that lie one after the other in one piece of memory."""

    nv12: Tensor
    """``(n, height * 3 / 2, width)`` uint8."""
    times: list[int]


def decoding_engines(codec: str, height: int, width: int, device: torch.device) -> int:
    """How many of the GPU's decoders take such frames side by side; 0: none does."""
    try:
        can = _abilities(codec, device)
    except torch.OutOfMemoryError:
        return 1
    fits = (
        can["width_min"] <= width <= can["width_max"]
        and can["height_min"] <= height <= can["height_max"]
    )
    return int(can["num_decoder_engines"]) if can["supported"] and fits else 0


@cache
def _abilities(codec: str, device: torch.device) -> dict[str, int]:
    """To ask takes a CUDA context, and one that cannot be made takes the process' other one with
    it: so there must be memory for it."""
    free, _ = torch.cuda.mem_get_info(device)
    if free < CONTEXT_BYTES:
        raise torch.OutOfMemoryError
    can: dict[str, int] = nvc.GetDecoderCaps(gpuid=device.index or 0, codec=CODECS[codec])
    return can


class GpuDecoder:
    """For one thread, and one stream of the GPU, on which its surfaces are copied."""

    def __init__(
        self, codec: str, device: torch.device, stream: "torch.cuda.Stream", block: int
    ) -> None:
        """``block``: frames in one piece of memory, at most."""
        self._device, self._stream, self._block = device, stream, block
        with _said_plainly():
            self._decoder = nvc.CreateDecoder(
                gpuid=device.index or 0,
                codec=CODECS[codec],
                cudastream=stream.cuda_stream,
                usedevicememory=True,
            )

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What the body does on the GPU comes after the frames so far."""
        with (
            _said_plainly(),
            memory_for("decoded frames"),
            torch.inference_mode(),
            torch.cuda.stream(self._stream),
        ):
            yield

    def part(self, packets: Sequence[Any], shown: Container[int], annexb: AnnexB) -> list[Block]:
        """A part's frames, in presentation order.

        Many packets go to the decoder as one: each call costs a fight for the interpreter. It then
        knows no times, but frames come in order. If one is missing, or not all are shown, the
        packets go one by one, with their times.
        """
        times = sorted(p.pts for p in packets)
        if all(pts in shown for pts in times) and not any(map(brings_parameters, packets)):
            groups = (packets[i : i + TOGETHER] for i in range(0, len(packets), TOGETHER))
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
        """Decodes to the end; frames that are shown, with the times that the decoder gives.

        ``most``: frames that are expected.
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
    """Copies surfaces, which the decoder uses again, into blocks."""

    def __init__(self, device: torch.device, block: int, most: float) -> None:
        self._device, self._block, self._left = device, block, most
        self._memory: Tensor | None = None
        self._times: list[int] = []

    def add(self, surfaces: Sequence[Any]) -> list[Block]:
        """Gives the blocks that are full now."""
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
        """What there is, as a block."""
        memory, times = self._memory, self._times
        self._memory, self._times = None, []
        return [] if memory is None else [Block(memory[: len(times)], times)]

    def _piece(self, shape: tuple[int, ...]) -> Tensor:
        """Lengths go in steps, so that memory that one part lets go fits the next."""
        steps = max(1, -(-self._left // SMALLEST_BLOCK))
        frames = int(min(self._block, steps * SMALLEST_BLOCK))
        self._left -= frames
        return empty_in_time((frames, *shape), torch.uint8, self._device)


def _packet(data: bytes, pts: int) -> Any:
    """For the decoder; empty: the end. ``data`` must outlive the call."""
    packet = nvc.PacketData()
    if data:
        packet.bsl_data = np.frombuffer(data, np.uint8).ctypes.data
        packet.bsl = len(data)
        packet.pts = pts
    return packet


@contextmanager
def _said_plainly() -> Iterator[None]:
    """The library's errors say in many lines where in it they were raised."""
    try:
        yield
    except nvc.PyNvVCException as error:
        raise FacetrackError(
            f"the GPU's decoder failed ({' '.join(str(error).split())}); use --device cpu"
        ) from error
