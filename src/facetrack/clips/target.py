"""Whom the clips show."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from facetrack.analysis import Person
from facetrack.errors import TargetError, UsageError

WORDS = ("most-frequent", "first", "largest", "all")


def choose(target: str, people: Sequence[Person], faces: pa.Table) -> list[int]:
    """Person ids for ``target``; empty when the video has no people at all.

    Raises:
        TargetError: when the number is nobody's.
        UsageError: when ``target`` is neither a known word nor a number.
    """
    if target not in WORDS and not target.isdecimal():
        raise UsageError(
            f"target is {target!r}; it must be {', '.join(WORDS)}, or a person's number"
        )
    if target.isdecimal():
        wanted = int(target)
        if wanted not in {p.id for p in people}:
            there = ", ".join(str(p.id) for p in people) or "nobody"
            raise TargetError(f"target {wanted} is not in this video; there is {there}")
        return [wanted]
    if not people:
        return []
    if target == "all":
        return [p.id for p in people]
    if target == "first":
        return [min(people, key=lambda p: (p.first_s, p.id)).id]
    if target == "largest":
        return [_largest(people, faces)]
    return [people[0].id]


def _largest(people: Sequence[Person], faces: pa.Table) -> int:
    """The person whose face is largest by the median over their frames."""
    height = faces["y2"].to_numpy() - faces["y1"].to_numpy()
    person = faces["person"].to_numpy()
    return max(people, key=lambda p: float(np.median(height[person == p.id]))).id
