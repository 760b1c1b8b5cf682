"""Who was seen beside whom: tracks or people that share a frame are never one person."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array


def seen_together(faces: pa.Table, column: str, ids: Sequence[int]) -> csr_array:
    """``(n, n)``: whether two were detected in one and the same frame.

    A face that was interpolated may have been put into a gap, in which nothing was seen: these
    frames are left out, and every stretch with several faces has others.

    Args:
        faces: rows of ``FACE_COLUMNS``.
        column: ``track`` or ``person``.
        ids: the ``n`` that are asked about; others are left out.
    """
    detected = faces["source"].to_numpy(zero_copy_only=False) != "interpolated"
    of_face, frame = faces[column].to_numpy()[detected], faces["frame"].to_numpy()[detected]
    wanted = np.asarray(ids, np.int64)
    order = wanted.argsort()
    place = _places(wanted[order], of_face)
    known = place >= 0
    there = csr_array(
        (np.ones(known.sum(), np.int32), (order[place[known]], frame[known])),
        shape=(len(wanted), int(frame.max(initial=0)) + 1),
    )
    beside = csr_array(there @ there.T) > 0
    beside.setdiag(False)
    beside.eliminate_zeros()
    return csr_array(beside)


def _places(ordered: NDArray[np.int64], values: NDArray[np.int32]) -> NDArray[np.intp]:
    """Where each value stands in ``ordered``; -1: nowhere."""
    if not len(ordered):
        return np.full(len(values), -1, np.intp)
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.where(ordered[place] == values, place, -1)
