"""Cannot-link pairs: tracks or people that share a frame are never one person."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from facetrack.timeline import Analysis


def cannot_link_pairs(faces: pa.Table, column: str, ids: Sequence[int]) -> csr_array:
    """``(n, n)`` bool, symmetric: True where two were detected in one frame.

    Interpolated faces do not count: one may have been placed into a gap in which its person was not
    visible. Two faces that are both visible are also detected together in some frame.

    Args:
        faces: rows of ``FACE_COLUMNS``.
        column: ``track`` or ``person``.
        ids: the ``n`` tracks or people that are compared; rows of others are ignored.
    """
    detected = faces["source"].to_numpy(zero_copy_only=False) != "interpolated"
    of_face, frame = faces[column].to_numpy()[detected], faces["frame"].to_numpy()[detected]
    wanted = np.asarray(ids, np.int64)
    order = wanted.argsort()
    place = _places(wanted[order], of_face)
    listed = place >= 0
    in_frame = csr_array(
        (np.ones(listed.sum(), np.int32), (order[place[listed]], frame[listed])),
        shape=(len(wanted), int(frame.max(initial=0)) + 1),
    )
    shared = csr_array(in_frame @ in_frame.T) > 0
    shared.setdiag(False)
    shared.eliminate_zeros()
    return csr_array(shared)


def cannot_link_people(analysis: Analysis) -> set[tuple[int, int]]:
    """Pairs of people of a video, the smaller number first, who share a frame."""
    numbers = sorted(p.id for p in analysis.people)
    rows, columns = cannot_link_pairs(analysis.faces, "person", numbers).nonzero()
    places = zip(rows.tolist(), columns.tolist(), strict=True)
    return {(numbers[i], numbers[j]) for i, j in places if i < j}


def _places(ordered: NDArray[np.int64], values: NDArray[np.int32]) -> NDArray[np.intp]:
    """``(n,)`` position of each value in ``ordered``; -1: it is not there."""
    if not len(ordered):
        return np.full(len(values), -1, np.intp)
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.where(ordered[place] == values, place, -1)
