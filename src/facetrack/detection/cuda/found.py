"""Arrays of fixed size between and after a detector's networks on a device.

A batch runs without synchronising with the host in between. So every array has a fixed number of
places for each frame: the ``Capacity``. ``Found.wanted`` says how many places would have been
needed. If there were too few, the caller grows the capacity and runs the batch again, so no face is
lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Capacity:
    """Sizes of a detector's arrays. Each detector has its own fields."""

    def grown_for(self, wanted: Sequence[int]) -> Self:
        """A capacity that holds what was wanted and some more; itself where it sufficed.

        ``wanted``: one number for each field. Sizes grow in few steps, because each capacity needs
        a CUDA graph of its own.
        """
        sizes = (getattr(self, f.name) for f in fields(self))
        return type(self)(
            *(
                size if want <= size else _stepped(int(want))
                for size, want in zip(sizes, wanted, strict=True)
            )
        )


def _stepped(want: int) -> int:
    """At least an eighth more, rounded to steps of a quarter of a power of two."""
    step = max(1, (1 << want.bit_length()) // 8)
    return (want + want // 8) // step * step + step


class Found(NamedTuple):
    """The faces of a batch of ``b`` frames, best score first; rows from ``count`` on mean
    nothing."""

    boxes: Tensor
    """``(b, faces, 4)`` in pixels of the frame."""
    scores: Tensor
    """``(b, faces)``."""
    landmarks: Tensor
    """``(b, faces, 5, 2)``."""
    anchors: Tensor
    """``(b, faces, 4)``."""
    count: Tensor
    """``(b,)`` number of faces of each frame."""
    wanted: Tensor
    """The capacity that would have been needed, in the order of its fields."""


class Slots(NamedTuple):
    """``k`` places for candidates in each of ``b`` frames; some of them are empty."""

    boxes: Tensor
    """``(b, k, 4)``."""
    scores: Tensor
    """``(b, k)``."""
    valid: Tensor
    """``(b, k)`` whether the place holds a candidate."""

    def best(self, k: int) -> tuple["Slots", Tensor]:
        """The ``k`` best candidates of each frame, and their places ``(b, k)``. The sort is stable:
        of equal candidates the first one stays first."""
        scores, at = self.scores.masked_fill(~self.valid, -1.0).sort(descending=True, stable=True)
        scores, at = scores[:, :k], at[:, :k]
        boxes = self.boxes.gather(1, at[..., None].expand(-1, -1, 4))
        return Slots(boxes, scores, scores >= 0), at


def rows(values: Tensor, at: Tensor) -> Tensor:
    """``(b, n, c)`` values at ``(b, k)`` positions: ``(b, k, c)``."""
    return values.gather(1, at[..., None].expand(-1, -1, values.shape[2]))


def padded_to(found: Tensor, k: int) -> Tensor:
    """``(b, n, ...)`` padded with zeros to ``(b, k, ...)``."""
    missing = k - found.shape[1]
    if missing <= 0:
        return found
    return torch.cat([found, found.new_zeros(len(found), missing, *found.shape[2:])], 1)
