"""Coarse frames of frames on a GPU, for finding cuts: one kernel and one copy for many."""

import numpy as np
import torch
import triton
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

from facetrack.media.frame_image import COARSE
from facetrack.media.nvdec.gpu_crops import whole

BLOCK = 256


def coarse_images(nv12: Tensor, colour: tuple[float, ...]) -> NDArray[np.uint8]:
    """``FrameImage.coarse`` of ``(n, height * 3 / 2, width)`` frames, ``(n, 36, 64, 3)``.

    ``colour``: as ``gpu_picture.colour_arguments``.
    """
    rows, columns = COARSE
    n, height, width = len(nv12), nv12.shape[1] * 2 // 3, nv12.shape[2]
    out = torch.empty((n, rows, columns, 3), dtype=torch.uint8, device=nv12.device)
    _coarse[n, triton.cdiv(rows * columns, BLOCK)](
        nv12, out, height, width, *colour, ROWS=rows, COLUMNS=columns, BLOCK=BLOCK
    )
    found: NDArray[np.uint8] = out.cpu().numpy()
    return found


@triton.jit
def _coarse(
    nv12, out, height, width, m00, m01, m02, m10, m11, m12, m20, m21, m22, o0, o1, o2,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < ROWS * COLUMNS
    y = (at // COLUMNS * 2 + 1) * height // (2 * ROWS)
    x = (at % COLUMNS * 2 + 1) * width // (2 * COLUMNS)
    image = nv12 + n * (height + height // 2) * width
    luma = tl.load(image + y * width + x, mask=inside, other=0).to(tl.float32)
    pair = image + (height + y // 2) * width + x // 2 * 2
    u = tl.load(pair, mask=inside, other=0).to(tl.float32)
    v = tl.load(pair + 1, mask=inside, other=0).to(tl.float32)
    target = out + (n * (ROWS * COLUMNS) + at) * 3
    tl.store(target, whole(luma * m00 + u * m10 + v * m20 + o0).to(tl.uint8), mask=inside)
    tl.store(target + 1, whole(luma * m01 + u * m11 + v * m21 + o1).to(tl.uint8), mask=inside)
    tl.store(target + 2, whole(luma * m02 + u * m12 + v * m22 + o2).to(tl.uint8), mask=inside)
