"""Greedy non-maximum suppression of many groups at once, one Triton program for each group."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def suppressed_on_gpu(
    boxes: Tensor, valid: Tensor, threshold: float, inclusive: float, of_smaller: bool
) -> Tensor:
    """See ``detection.cuda.boxes.suppressed``. ``k`` is a few thousand at most."""
    groups, k, _ = boxes.shape
    stays = torch.empty_like(valid)
    count = valid.sum(1, dtype=torch.int32)  # valid boxes come first: they are sorted by score
    _suppress[(groups,)](
        boxes.contiguous(), count, stays, k, threshold, inclusive, of_smaller,
        BLOCK=triton.next_power_of_2(k), num_warps=8 if k > 256 else 4,
    )  # fmt: skip
    return stays


@triton.jit
def _suppress(
    boxes, counts, stays, k, threshold, inclusive, of_smaller: tl.constexpr, BLOCK: tl.constexpr
):
    group = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    count = tl.load(counts + group)
    mine = boxes + group * k * 4
    inside = at < count
    x1 = tl.load(mine + at * 4, mask=inside, other=0.0)
    y1 = tl.load(mine + at * 4 + 1, mask=inside, other=0.0)
    x2 = tl.load(mine + at * 4 + 2, mask=inside, other=0.0)
    y2 = tl.load(mine + at * 4 + 3, mask=inside, other=0.0)
    area = (x2 - x1 + inclusive) * (y2 - y1 + inclusive)
    alive = inside.to(tl.int32)
    for i in range(count):
        if tl.sum(tl.where(at == i, alive, 0)) > 0:
            a1 = tl.load(mine + i * 4)
            b1 = tl.load(mine + i * 4 + 1)
            a2 = tl.load(mine + i * 4 + 2)
            b2 = tl.load(mine + i * 4 + 3)
            own = (a2 - a1 + inclusive) * (b2 - b1 + inclusive)
            wide = tl.maximum(tl.minimum(x2, a2) - tl.maximum(x1, a1) + inclusive, 0.0)
            high = tl.maximum(tl.minimum(y2, b2) - tl.maximum(y1, b1) + inclusive, 0.0)
            shared = wide * high
            whole = tl.minimum(area, own) if of_smaller else area + own - shared
            alive = tl.where((at > i) & (shared > threshold * whole), 0, alive)
    tl.store(stays + group * k + at, alive.to(tl.int1), mask=at < k)
