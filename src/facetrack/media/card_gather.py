"""Copies what lies all over a card's memory to one place, by one kernel."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 4096


def gathered(pointers: Tensor, out: Tensor) -> None:
    """What lies at ``(n,)`` int64 pointers to ``(n, ...)`` uint8."""
    size = out[0].numel()
    step = 8 if size % 8 == 0 else 1
    grid = (len(pointers), triton.cdiv(size // step, BLOCK))
    _gather[grid](pointers, out, size // step, STEP=step, BLOCK=BLOCK)


def gathered_rectangles(
    rectangles: Sequence[tuple[int, int, int, int]], device: torch.device
) -> Tensor:
    """Rectangles of bytes, each given by its address, bytes a row, columns and rows, one after the
    other in a new uint8 array."""
    sizes = [columns * rows for *_, columns, rows in rectangles]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    table = [(*r, start) for r, start in zip(rectangles, starts, strict=False)]
    out = torch.empty(starts[-1], dtype=torch.uint8, device=device)
    grid = (len(rectangles), triton.cdiv(max(sizes), BLOCK))
    _gather_rectangles[grid](torch.tensor(table).to(device), out, BLOCK=BLOCK)
    return out


@triton.jit
def _gather_rectangles(table, out, BLOCK: tl.constexpr):
    row = table + tl.program_id(0) * 5
    source = tl.load(row).to(tl.pointer_type(tl.uint8))
    pitch, columns, rows = tl.load(row + 1), tl.load(row + 2), tl.load(row + 3)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < columns * rows
    pixel = tl.load(source + at // columns * pitch + at % columns, mask=inside)
    tl.store(out + tl.load(row + 4) + at, pixel, mask=inside)


@triton.jit
def _gather(pointers, out, size, STEP: tl.constexpr, BLOCK: tl.constexpr):
    n = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    kind = tl.int64 if STEP == 8 else tl.uint8
    source = tl.load(pointers + n).to(tl.pointer_type(kind))
    target = out.to(tl.pointer_type(kind)) + n.to(tl.int64) * size
    tl.store(target + at, tl.load(source + at, mask=inside), mask=inside)
