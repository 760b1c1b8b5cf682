"""The box arithmetic of ``core.boxes`` in torch, for many frames at once."""

import torch
from torch import Tensor


def squared(boxes: Tensor) -> Tensor:
    """``(..., 4)`` boxes to squares, as ``core.boxes.squared``."""
    size = boxes[..., 2:] - boxes[..., :2]
    side = size.amax(-1, keepdim=True)
    top_left = boxes[..., :2] + size * 0.5 - side * 0.5
    return torch.cat([top_left, top_left + side], -1)


def regressed(boxes: Tensor, offsets: Tensor, inclusive: float) -> Tensor:
    """``(..., 4)`` boxes moved by ``(..., 4)`` offsets, as ``core.boxes.regressed``."""
    size = boxes[..., 2:] - boxes[..., :2] + inclusive
    return boxes + offsets * torch.cat([size, size], -1)


def corners_inside(boxes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """``(..., 4)`` int64 corners of the part of each box inside the frame, and ``(...)`` whether
    there is such a part."""
    whole = boxes.long()  # rounded toward zero; pixels are counted from 1
    low = whole[..., :2].clamp(min=1) - 1
    high = torch.stack([whole[..., 2].clamp(max=width), whole[..., 3].clamp(max=height)], -1)
    inside = (high > low).all(-1)
    return torch.cat([low, torch.where(inside[..., None], high, low)], -1), inside


def suppressed(
    boxes: Tensor, valid: Tensor, threshold: float, inclusive: float = 0.0, of_smaller: bool = False
) -> Tensor:
    """Greedy non-maximum suppression in each of ``g`` groups: which boxes stay, ``(g, k)``.

    A box stays when no better box that stays overlaps it. On the CPU this is computed for all boxes
    at once, again and again until nothing changes.

    Args:
        boxes: ``(g, k, 4)``, best score first.
        valid: ``(g, k)`` whether the place holds a box.
        threshold: overlap above which the box with the lower score goes.
        inclusive: added to widths and heights; 1 where x2 and y2 are part of the box.
        of_smaller: overlap is intersection over the smaller box, not over the union.
    """
    if boxes.is_cuda:
        from facetrack.cuda.kernels.nms import suppressed_on_gpu

        return suppressed_on_gpu(boxes, valid, threshold, inclusive, of_smaller)
    covered = (_overlap(boxes, inclusive, of_smaller) > threshold) & valid[:, :, None]
    covered &= torch.ones_like(covered).triu(diagonal=1)
    stays = valid
    while True:
        remaining = valid & ~(covered & stays[:, :, None]).any(1)
        if torch.equal(remaining, stays):
            return stays
        stays = remaining


def _overlap(boxes: Tensor, inclusive: float, of_smaller: bool) -> Tensor:
    """``(g, k, k)`` overlap of each box with each other one."""
    area = (boxes[..., 2:] - boxes[..., :2] + inclusive).prod(-1)
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (high - low + inclusive).clamp(min=0).prod(-1)
    a, b = area[:, :, None], area[:, None]
    return shared / (torch.minimum(a, b) if of_smaller else a + b - shared)
