"""What detectors on a device share: arrays of fixed size between and behind the networks.

A batch never asks the host in between, so every array has so many places a frame (``Room``).
``Found.wanted`` says how many would have been needed; the caller makes more room and does the batch
again, so no face is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Room:
    """Sizes of a detector's arrays; each detector has fields of its own."""

    def with_room_for(self, wanted: Sequence[int]) -> Self:
        """Room for what was wanted and some more, in few steps; itself where it sufficed."""
        sizes = (getattr(self, f.name) for f in fields(self))
        return type(self)(
            *(
                size if want <= size else _stepped(int(want))
                for size, want in zip(sizes, wanted, strict=True)
            )
        )


def _stepped(want: int) -> int:
    """An eighth more at least, in steps of a quarter of a power of two."""
    step = max(1, (1 << want.bit_length()) // 8)
    return (want + want // 8) // step * step + step


class Found(NamedTuple):
    """Faces of a batch, best first in each frame; rows beyond ``count`` mean nothing."""

    boxes: Tensor
    """``(b, faces, 4)``."""
    scores: Tensor
    landmarks: Tensor
    """``(b, faces, 5, 2)``."""
    anchors: Tensor
    count: Tensor
    """``(b,)``."""
    wanted: Tensor
    """How large each part of the room would have had to be, in the order of its fields."""


class Slots(NamedTuple):
    """``(b, k)`` places for candidates, best first; not every place holds one."""

    boxes: Tensor
    scores: Tensor
    valid: Tensor

    def best(self, k: int) -> tuple["Slots", Tensor]:
        """The ``k`` best, and where they were; of equal ones the first stays first."""
        scores, at = self.scores.masked_fill(~self.valid, -1.0).sort(descending=True, stable=True)
        scores, at = scores[:, :k], at[:, :k]
        boxes = self.boxes.gather(1, at[..., None].expand(-1, -1, 4))
        return Slots(boxes, scores, scores >= 0), at


def rows(values: Tensor, at: Tensor) -> Tensor:
    """``(b, n, c)`` values at ``(b, k)`` positions: ``(b, k, c)``."""
    return values.gather(1, at[..., None].expand(-1, -1, values.shape[2]))


def padded_to(found: Tensor, k: int) -> Tensor:
    """``(b, n, ...)`` with zeros up to ``(b, k, ...)``, where there are fewer."""
    missing = k - found.shape[1]
    if missing <= 0:
        return found
    return torch.cat([found, found.new_zeros(len(found), missing, *found.shape[2:])], 1)
