"""Which tracks of two analyses of a video follow the same face."""

from collections import Counter

import numpy as np
import pyarrow as pa

from facetrack.core.boxes import iou_matrix
from facetrack.timeline import Analysis, boxes_of

SAME_BOX = 0.4
"""Intersection over union from which two boxes at one time are one face: detectors differ in how
much of the forehead they take."""
SAME_TRACK = 0.5
"""Share of a track's faces that must lie in boxes of the other."""


def are_same_tracks(new: Analysis, old: Analysis) -> bool:
    """Whether the tracks are the same ones: the same numbers and frames of the same file."""
    if new.info.fingerprint is None or new.info.fingerprint != old.info.fingerprint:
        return False
    first, second = (
        {t.id: (t.first_frame, t.last_frame) for t in one.tracks} for one in (new, old)
    )
    return first == second


def matched_tracks(new: Analysis, old: Analysis, old_faces: pa.Table) -> dict[int, int]:
    """Track of the new analysis -> track of the old one that follows the same face.

    Where the tracks are the same ones, so are their numbers. Else faces are compared at each time:
    a new track is the old one in whose boxes most of its faces lie.

    Args:
        new: one analysis of a video.
        old: another one, with other settings, or of another encoding of the video.
        old_faces: its faces, with those that were removed since.
    """
    if are_same_tracks(new, old):
        return {t.id: t.id for t in new.tracks}
    sides = [old.info.width / new.info.width, old.info.height / new.info.height]
    scale = np.array(sides * 2, np.float32)
    boxes, old_boxes = boxes_of(new.faces) * scale, boxes_of(old_faces)
    tracks, old_tracks = (faces["track"].to_numpy() for faces in (new.faces, old_faces))
    times_s = new.faces["time_s"].to_numpy()
    old_rows = _rows_of_times(old_faces, np.unique(times_s), 0.5 / float(old.info.fps))
    new_rows = _rows_of_times(new.faces, np.unique(times_s), 0.0)
    shared: dict[int, Counter[int]] = {}
    for (a, b), (c, d) in zip(new_rows, old_rows, strict=True):
        overlap = iou_matrix(boxes[a:b], old_boxes[c:d])
        for i, j in zip(*np.nonzero(overlap >= SAME_BOX), strict=True):
            shared.setdefault(int(tracks[a + i]), Counter())[int(old_tracks[c + j])] += 1
    faces_of = Counter(tracks.tolist())
    return {
        track: best
        for track, found in shared.items()
        for best, count in [found.most_common(1)[0]]
        if count >= SAME_TRACK * faces_of[track]
    }


def _rows_of_times(
    faces: pa.Table, times_s: np.ndarray[tuple[int], np.dtype[np.float64]], off_s: float
) -> list[tuple[int, int]]:
    """For each time the first row of ``faces`` at it and the one after the last.

    Args:
        faces: ordered by time.
        times_s: ``(n,)`` seconds.
        off_s: seconds by which the rows may be off.
    """
    there, firsts = np.unique(faces["time_s"].to_numpy(), return_index=True)
    if not len(there):
        return [(0, 0)] * len(times_s)
    ends = np.append(firsts[1:], len(faces))
    at = np.searchsorted(there, times_s)
    before, after = np.maximum(at - 1, 0), np.minimum(at, len(there) - 1)
    nearest = np.where(times_s - there[before] < there[after] - times_s, before, after)
    close = np.abs(there[nearest] - times_s) <= off_s + 1e-9
    return [
        (int(firsts[n]), int(ends[n])) if ok else (0, 0)
        for n, ok in zip(nearest, close, strict=True)
    ]
