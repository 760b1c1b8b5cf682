"""Max pooling over 3 x 3 pixels with a stride of 2. torch's own took a fifth of the time of
InceptionResnetV1."""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Outputs of one Triton program."""


def pooled(x: Tensor) -> Tensor:
    """``F.max_pool2d(x, 3, 2)`` of ``(n, c, h, w)``, channels last."""
    x = x.contiguous(memory_format=torch.channels_last)
    n, c, height, width = x.shape
    rows, columns = (height - 3) // 2 + 1, (width - 3) // 2 + 1
    out = torch.empty(
        (n, c, rows, columns), dtype=x.dtype, device=x.device, memory_format=torch.channels_last
    )
    _pool[(triton.cdiv(out.numel(), BLOCK),)](
        x, out, out.numel(), height, width, rows, columns, C=c, BLOCK=BLOCK
    )
    return out


@triton.jit
def _pool(x, out, total, height, width, rows, columns, C: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < total
    pixel, channel = at // C, at % C
    line = pixel // columns
    row, column, image = line % rows, pixel - line * columns, line // rows
    source = x + ((image * height + row * 2) * width + column * 2) * C + channel
    best = tl.load(source, mask=inside, other=0.0)
    for i in tl.static_range(1, 9):
        value = tl.load(source + (i // 3 * width + i % 3) * C, mask=inside, other=0.0)
        best = tl.maximum(best, value)
    tl.store(out + at, best, mask=inside)
