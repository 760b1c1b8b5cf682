"""A kernel that copies frames from many places in GPU memory to one place."""

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 4096


def gathered(pointers: Tensor, out: Tensor) -> None:
    """Copies to ``out``, ``(n, ...)`` uint8, what is at ``pointers``, ``(n,)`` int64 addresses."""
    size = out[0].numel()
    step = 8 if size % 8 == 0 else 1
    grid = (len(pointers), triton.cdiv(size // step, BLOCK))
    _gather[grid](pointers, out, size // step, STEP=step, BLOCK=BLOCK)


@triton.jit
def _gather(pointers, out, size, STEP: tl.constexpr, BLOCK: tl.constexpr):
    n = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    kind = tl.int64 if STEP == 8 else tl.uint8
    source = tl.load(pointers + n).to(tl.pointer_type(kind))
    target = out.to(tl.pointer_type(kind)) + n.to(tl.int64) * size
    tl.store(target + at, tl.load(source + at, mask=inside), mask=inside)
