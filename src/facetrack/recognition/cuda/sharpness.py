"""``recognition.quality.sharpness`` on a GPU: one kernel for what torch does in a dozen."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.recognition.quality import SHARP

BLOCK = 1024
"""Pixels that a program looks at together; it goes through a whole crop."""


def sharpness(crops: Tensor) -> Tensor:
    """``(n,)`` float32 of box crops ``(n, size, size, 3)`` uint8 RGB."""
    n, size, _, _ = crops.shape
    out = torch.empty((n,), dtype=torch.float32, device=crops.device)
    _sharpness[(n,)](crops, out, SHARP, SIZE=size, BLOCK=BLOCK)
    return out


@triton.jit
def _grey(pixel, inside):
    """Of pixels at these addresses."""
    red = tl.load(pixel, mask=inside, other=0).to(tl.float32)
    green = tl.load(pixel + 1, mask=inside, other=0).to(tl.float32)
    blue = tl.load(pixel + 2, mask=inside, other=0).to(tl.float32)
    return (red + green + blue) / 3.0


@triton.jit
def _sharpness(crops, out, sharp, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    INNER: tl.constexpr = SIZE - 2
    crop = crops + tl.program_id(0).to(tl.int64) * (SIZE * SIZE * 3)
    total = tl.zeros((BLOCK,), tl.float32)
    squares = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, INNER * INNER, BLOCK):
        at = first + tl.arange(0, BLOCK)
        inside = at < INNER * INNER
        middle = crop + ((at // INNER + 1) * SIZE + at % INNER + 1) * 3
        around = _grey(middle - 3, inside) + _grey(middle + 3, inside)
        around += _grey(middle - SIZE * 3, inside) + _grey(middle + SIZE * 3, inside)
        change = around - 4.0 * _grey(middle, inside)
        total += change
        squares += change * change
    mean = tl.sum(total, 0) / (INNER * INNER)
    variance = tl.sum(squares, 0) / (INNER * INNER) - mean * mean
    tl.store(out + tl.program_id(0), tl.minimum(variance / sharp, 1.0))
