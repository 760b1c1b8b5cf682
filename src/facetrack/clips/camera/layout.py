"""Which person is shown where in a clip's frame, and with which crops.

``single``, ``each`` and ``follow`` fill the frame with one panel. ``split`` and ``grid`` give each
person a panel; all panels show the same source frames, so that they are in sync. A person who is
not seen for a while keeps their crop; for shots in which they are never seen, see ``offscreen``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from facetrack.clips.camera.crop_path import crop_path
from facetrack.clips.camera.framing import Framing
from facetrack.clips.camera.offscreen import fill_offscreen, offscreen_ranges
from facetrack.clips.plan.clip import Panel, Segment
from facetrack.core.errors import UsageError
from facetrack.core.settings import MODES, ClipSettings
from facetrack.timeline import Analysis, boxes_of, landmarks_of

Float64 = NDArray[np.float64]
Place = tuple[int, int, int, int]
"""x, y, width and height in pixels of the clip; all even."""

MOST_PANELS = {"split": 2, "grid": 4}
ROWS: dict[int, list[tuple[int, ...]]] = {
    1: [(1,)],
    2: [(2,), (1, 1)],
    3: [(3,), (1, 1, 1), (2, 1)],
    4: [(2, 2), (4,), (1, 1, 1, 1)],
}
"""Number of panels -> possible numbers of panels in each row. The layout whose panels are nearest
to squares is taken, the first one of equals."""


def frame_size(aspect: Fraction, shorter: int) -> tuple[int, int]:
    """Width and height of a clip whose shorter side is ``shorter``; both even."""
    longer = 2 * round(shorter * max(aspect, 1 / aspect) / 2)
    return (longer, shorter) if aspect >= 1 else (shorter, longer)


def places(panels: int, size: tuple[int, int]) -> list[Place]:
    """Where the panels lie in a frame of a size; together they fill it.

    Args:
        size: width and height in pixels.
    """
    return min(
        (_in_rows(rows, size) for rows in ROWS[panels]),
        key=lambda found: max(abs(np.log(width / height)) for _, _, width, height in found),
    )


def layout_of(
    segment: Segment,
    frames: NDArray[np.int32],
    source_s: Float64,
    analysis: Analysis,
    settings: ClipSettings,
) -> tuple[tuple[int, int], tuple[Panel, ...]]:
    """Size (width and height in pixels) and panels of a clip by the settings; see ``panels_of``."""
    assert settings.ratio is not None
    size = frame_size(settings.ratio, settings.size)
    pixel_aspect = analysis.info.pixel_aspect
    framing = Framing(settings.ratio, settings.zoom, settings.adaptive, pixel_aspect)
    return size, panels_of(settings.mode, segment, frames, source_s, analysis, framing, size)


def panels_of(
    mode: str,
    segment: Segment,
    frames: NDArray[np.int32],
    source_s: Float64,
    analysis: Analysis,
    framing: Framing,
    size: tuple[int, int],
) -> tuple[Panel, ...]:
    """The panels of one clip.

    Args:
        mode: one of ``MODES``.
        segment: whose people are shown, in the order of the panels; ``follow`` shows one of them at
            a time.
        frames: ``(m,)`` the source frame that each frame of the clip shows, ascending; a frame may
            come twice.
        source_s: ``(m,)`` their presentation times in seconds.
        framing: the zoom of all panels; each panel has the aspect of its place instead.
        size: width and height of the clip's frame in pixels.

    Raises:
        UsageError: when the mode is unknown, or cannot show so many people.
        InputError: when the analysis has no face of a person.
    """
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}; it must be {', '.join(MODES)}")
    shown = [segment.people] if mode == "follow" else [(person,) for person in segment.people]
    most = MOST_PANELS.get(mode, 1)
    if not 1 <= len(shown) <= most:
        raise UsageError(f"mode {mode} shows {most} at most, not {len(shown)} people")
    distinct, back = np.unique(frames, return_inverse=True)
    times_s = np.empty(len(distinct))
    times_s[back] = source_s
    starts = _starts(distinct, segment, analysis)
    sizes = analysis.sizes_at(distinct)
    panels = []
    for place, candidates in zip(places(len(shown), size), shown, strict=True):
        faces = faces_of(analysis, candidates, distinct)
        people = _shown_people(faces, candidates, len(distinct), starts)
        mine = faces.person == people[faces.at]
        framed = replace(framing, aspect=Fraction(place[2], place[3]))
        crops = np.full((len(distinct), 4), np.nan)
        still_s = np.full(len(distinct), np.nan)
        if mine.any():
            crops = crop_path(
                times_s,
                faces.at[mine],
                faces.boxes[mine],
                faces.landmarks[mine],
                starts,
                sizes,
                framed,
            )
        for start, end, person in offscreen_ranges(faces.at[mine], people, starts):
            start_end = slice(start, end)
            still_s[start_end] = fill_offscreen(
                crops, distinct, person, analysis, framed, mode in MOST_PANELS, start_end
            )
        panels.append(Panel(place, people[back], crops[back], still_s[back]))
    return tuple(panels)


@dataclass(frozen=True)
class FacesInView:
    """Faces of some people in some frames: at most one for each person and frame."""

    at: NDArray[np.intp]
    """``(k,)`` positions of the frames, ascending."""
    person: NDArray[np.int32]
    boxes: Float64
    """``(k, 4)`` x1 y1 x2 y2 in pixels."""
    landmarks: Float64
    """``(k, 5, 2)`` x y in pixels."""


def faces_of(analysis: Analysis, people: Sequence[int], frames: NDArray[np.int32]) -> FacesInView:
    """The faces of these people in these frames, which ascend."""
    all_frames = analysis.faces["frame"].to_numpy()  # ascending
    first, end = np.searchsorted(all_frames, [frames[0], frames[-1] + 1])
    table = analysis.faces.slice(first, end - first)
    rows = np.flatnonzero(
        np.isin(table["person"].to_numpy(), people) & np.isin(table["frame"].to_numpy(), frames)
    )
    frame, person = table["frame"].to_numpy()[rows], table["person"].to_numpy()[rows]
    # Of a person seen twice in a frame (in a mirror, say), the longer track is followed.
    _, track, length = np.unique(
        table["track"].to_numpy()[rows], return_inverse=True, return_counts=True
    )
    order = np.lexsort([-length[track], person, frame])
    _, once = np.unique(np.stack([frame, person])[:, order], axis=1, return_index=True)
    rows, frame = rows[order[once]], frame[order[once]]
    table = table.take(rows)
    return FacesInView(
        np.clip(np.searchsorted(frames, frame), 0, len(frames) - 1),
        table["person"].to_numpy(),
        boxes_of(table).astype(np.float64),
        landmarks_of(table).astype(np.float64),
    )


def _shown_people(
    faces: FacesInView, people: Sequence[int], frames: int, starts: Sequence[int]
) -> NDArray[np.int32]:
    """``(frames,)`` the person whom a panel shows; the person changes only where a shot starts.

    Each shot shows the person whose face heights, summed over the shot's frames, are the largest.
    A shot without any of the people shows the person of the shot before, or of the first shot that
    has one.
    """
    shot = np.searchsorted(starts, faces.at, side="right") - 1
    amounts = np.zeros((len(starts), len(people)))
    for column, person in enumerate(people):
        mine = faces.person == person
        heights = faces.boxes[mine, 3] - faces.boxes[mine, 1]
        np.add.at(amounts[:, column], shot[mine], heights)
    seen = np.flatnonzero(amounts.any(axis=1)) if len(faces.at) else np.zeros(1, int)
    before = np.searchsorted(seen, np.arange(len(starts)), side="right") - 1
    best = amounts.argmax(axis=1)[seen[np.maximum(before, 0)]]
    return np.repeat(np.asarray(people, np.int32)[best], np.diff([*starts, frames]))


def _starts(frames: NDArray[np.int32], segment: Segment, analysis: Analysis) -> list[int]:
    """Positions at which the clip has a cut: 0, the start of each shot, and of each range.

    Where the frames get another size, there is a cut too.
    """
    cuts = [shot.start_frame for shot in analysis.shots]
    cuts += [frame_range.start_frame for frame_range in segment.ranges]
    positions = np.searchsorted(frames, cuts)
    resized = np.flatnonzero(np.diff(analysis.sizes_at(frames), axis=0).any(axis=1)) + 1
    return sorted({0, *positions[positions < len(frames)].tolist(), *resized.tolist()})


def _in_rows(rows: Sequence[int], size: tuple[int, int]) -> list[Place]:
    width, height = size
    found = []
    for r, columns in enumerate(rows):
        top, bottom = _even(height * r / len(rows)), _even(height * (r + 1) / len(rows))
        for c in range(columns):
            left, right = _even(width * c / columns), _even(width * (c + 1) / columns)
            found.append((left, top, right - left, bottom - top))
    return found


def _even(pixels: float) -> int:
    return 2 * round(pixels / 2)
