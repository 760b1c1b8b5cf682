"""Clips to train with: which stretches of a person are fit, and what each clip is worth.

A take is of one track inside one shot, so it never changes identity; no other face comes into its
crop; the face is large enough, looks at the camera and is sharp. What is refused is said with its
reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from facetrack.clips.camera.layout import image_of
from facetrack.clips.plan.clip import Segment
from facetrack.clips.plan.segments import Rejected, segments_of
from facetrack.clips.plan.sharpness import measured_sharpness
from facetrack.clips.plan.tracked import TrackedFaces
from facetrack.core.frame_range import FrameTimes, StartEnd, intersection, ranges_where
from facetrack.core.settings import ClipSettings
from facetrack.recognition.quality import frontality
from facetrack.timeline import Analysis, boxes_of, landmarks_of
from facetrack.timeline.parts import FORGOTTEN

Float64 = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOMENT = 13
"""Frames over which size and pose are judged: a nod or one bad box ends no take."""


@dataclass(frozen=True)
class TrainingClip:
    """A stretch that is fit, and its scores."""

    segment: Segment
    track: int
    face_px: float
    """Median height of the face in pixels of the source."""
    frontality: float
    """Median, 0 (profile) to 1 (towards the camera)."""
    sharpness: float
    """Median of faces spread over the take, 0 to 1."""
    detection: float
    """Lowest detection score."""


@dataclass(frozen=True)
class _Rows:
    """One track's faces in frames that follow each other."""

    first_frame: int
    boxes: Float64
    """``(n, 4)``"""
    facing: Float64
    """``(n,)`` frontality."""
    scores: Float64

    def part(self, start_end: StartEnd) -> "_Rows":
        a, b = (frame - self.first_frame for frame in start_end)
        return _Rows(start_end[0], self.boxes[a:b], self.facing[a:b], self.scores[a:b])

    @property
    def heights(self) -> Float64:
        return np.asarray(self.boxes[:, 3] - self.boxes[:, 1])

    @property
    def start_end(self) -> StartEnd:
        return self.first_frame, self.first_frame + len(self.boxes)


def training_clips_of(
    person: int,
    ranges: list[StartEnd],
    analysis: Analysis,
    tracked: TrackedFaces,
    frame_times: FrameTimes,
    settings: ClipSettings,
) -> tuple[list[TrainingClip], list[Rejected]]:
    """Takes of a person inside ``ranges``, none of which goes on over a cut."""
    training_clips: list[TrainingClip] = []
    left_out: list[Rejected] = []
    tracks = sorted(
        (t for t in analysis.tracks if t.person == person), key=lambda t: (t.first_frame, t.id)
    )
    for track in tracks:
        for rows in _contiguous(tracked.of_track(track.id)):
            for start_end in intersection(ranges, [rows.start_end]):
                found, refused = _of_range(
                    person, track.id, rows.part(start_end), analysis, tracked, frame_times, settings
                )
                left_out += refused
                training_clips += found
    return [
        replace(take, segment=replace(take.segment, index=i))
        for i, take in enumerate(training_clips, start=1)
    ], left_out


def _of_range(
    person: int,
    track: int,
    rows: _Rows,
    analysis: Analysis,
    tracked: TrackedFaces,
    frame_times: FrameTimes,
    settings: ClipSettings,
) -> tuple[list[TrainingClip], list[Rejected]]:
    """Takes of one track in one shot."""
    left_out: list[Rejected] = []
    others = tracked.beside(track, *rows.start_end)

    def refuse(start_end: StartEnd, reason: str, detail: str) -> None:
        left_out.append(
            Rejected((person,), frame_times.frame_range(*start_end), reason, detail, track)
        )

    fit = np.ones(len(rows.boxes), bool)
    crowded = _in_crop(person, rows.start_end, others, analysis, frame_times, settings)
    small = _steady(rows.heights) < settings.face_px
    away = _steady(rows.facing) < settings.frontality
    hidden = _beside_forgotten(rows.start_end, analysis)
    for flags, reason in (
        (crowded, "another face"), (hidden, "somebody forgotten"), (small, "too small"),
        (away, "turned away"),
    ):  # fmt: skip
        for a, b in ranges_where(flags & fit, 0):
            part = rows.part((rows.first_frame + a, rows.first_frame + b))
            refuse(part.start_end, reason, _why(reason, part, settings))
        fit &= ~flags
    segments, short = segments_of(
        (person,), ranges_where(fit, rows.first_frame), frame_times, settings
    )
    left_out += [Rejected(s.people, s.frame_range, s.reason, s.detail, track) for s in short]
    training_clips = []
    for segment in segments:
        (frame_range,) = segment.spans
        start_end = (frame_range.start_frame, frame_range.end_frame)
        part = rows.part(start_end)
        if _in_crop(person, start_end, others, analysis, frame_times, settings).any():
            refuse(start_end, "another face", "in the crop")
            continue
        times_s = frame_times.edges_s[np.arange(*start_end) - frame_times.first_frame]
        sharp = measured_sharpness(analysis.info.path, times_s, part.boxes)
        if sharp < settings.sharpness:
            refuse(start_end, "blurred", f"{sharp:.2f}, {settings.sharpness:g} needed")
            continue
        facing = float(np.median(part.facing))
        height, score = float(np.median(part.heights)), float(part.scores.min())
        training_clips.append(TrainingClip(segment, track, height, facing, sharp, score))
    return training_clips, left_out


def _why(reason: str, part: _Rows, settings: ClipSettings) -> str:
    if reason == "too small":
        return f"{np.median(part.heights):.0f} px, {settings.face_px} needed"
    if reason == "turned away":
        return f"{np.median(part.facing):.2f}, {settings.frontality:g} needed"
    return "in the picture" if reason == "somebody forgotten" else "in the crop"


def _contiguous(faces: pa.Table) -> Iterator[_Rows]:
    """A track's faces, in pieces without a missing frame."""
    if not len(faces):
        return
    frames = faces["frame"].to_numpy()
    boxes = boxes_of(faces).astype(np.float64)
    facing, scores = frontality(landmarks_of(faces)), faces["score"].to_numpy().astype(np.float64)
    breaks = [0, *(np.flatnonzero(np.diff(frames) != 1) + 1).tolist(), len(frames)]
    for a, b in pairwise(breaks):
        yield _Rows(int(frames[a]), boxes[a:b], facing[a:b], scores[a:b])


def _beside_forgotten(start_end: StartEnd, analysis: Analysis) -> Flags:
    """``(n,)`` whether somebody is in the frame of whose place nothing is kept."""
    found = np.zeros(start_end[1] - start_end[0], bool)
    for track in analysis.dropped:
        if track.reason == FORGOTTEN:
            first, end = track.first_frame - start_end[0], track.last_frame + 1 - start_end[0]
            found[max(first, 0) : max(end, 0)] = True
    return found


def _in_crop(
    person: int,
    start_end: StartEnd,
    others: tuple[NDArray[np.int32], Float64],
    analysis: Analysis,
    frame_times: FrameTimes,
    settings: ClipSettings,
) -> Flags:
    """``(n,)`` whether any other face reaches into the crop, for each frame of the stretch."""
    found = np.zeros(start_end[1] - start_end[0], bool)
    inside = (others[0] >= start_end[0]) & (others[0] < start_end[1])
    if not inside.any():
        return found
    segment = Segment((person,), 1, (frame_times.frame_range(*start_end),))
    frames = np.arange(*start_end, dtype=np.int32)
    times_s = frame_times.edges_s[frames - frame_times.first_frame]
    _, (panel,) = image_of(segment, frames, times_s, analysis, settings)
    at, boxes = others[0][inside] - start_end[0], others[1][inside]
    centres, halves = panel.crops[at, :2], panel.crops[at, 2:] / 2
    reaches = (boxes[:, :2] < centres + halves) & (boxes[:, 2:] > centres - halves)
    found[at[reaches.all(axis=1)]] = True
    return found


def _steady(values: Float64) -> Float64:
    return np.asarray(median_filter(values, size=MOMENT, mode="nearest"))
