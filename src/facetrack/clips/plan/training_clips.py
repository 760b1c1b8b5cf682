"""Clips to train with: which parts of a person's time are fit, and the scores of each clip.

A training clip shows one track inside one shot, so it never changes identity. No other face comes
into its crop, and the face is large enough, looks at the camera and is sharp. Each part that is
rejected is given with its reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from facetrack.clips.camera.layout import layout_of
from facetrack.clips.plan.clip import Segment, enlargement
from facetrack.clips.plan.segments import Rejected, segments_of
from facetrack.core.errors import InputError
from facetrack.core.frame_range import FrameTimes, StartEnd, intersection, ranges_where
from facetrack.core.settings import ClipSettings
from facetrack.core.types import VideoInfo
from facetrack.media.decode import upright
from facetrack.media.frame_reader import FrameReader
from facetrack.recognition.crops import box_crop
from facetrack.recognition.quality import frontality, sharpness
from facetrack.timeline import Analysis, boxes_of, landmarks_of
from facetrack.timeline.parts import FORGOTTEN

Float64 = NDArray[np.float64]
Flags = NDArray[np.bool_]

MEDIAN_FRAMES = 13
"""Frames of the median by which size and pose are judged: a nod or one bad box ends no clip."""
SHARPNESS_FRAMES = 7
"""Frames of a clip, spread evenly, whose sharpness is measured."""


@dataclass(frozen=True)
class TrainingClip:
    """A segment that is fit, and its scores."""

    segment: Segment
    track: int
    face_px: float
    """Median height of the face in pixels of the source."""
    frontality: float
    """Median, 0 (profile) to 1 (towards the camera)."""
    sharpness: float
    """Median over ``SHARPNESS_FRAMES`` frames, 0 to 1."""
    detection: float
    """Lowest detection score."""


@dataclass(frozen=True)
class TrackedFaces:
    """The faces of an analysis, sorted by track once for many queries."""

    faces: pa.Table
    """By frame, as in the analysis."""
    _frame: NDArray[np.int32]
    _track: NDArray[np.int32]
    _by_track: NDArray[np.intp]
    """Rows ordered by track, and by frame within a track."""
    _track_in_order: NDArray[np.int32]
    """``_track`` in that order."""

    @classmethod
    def of(cls, analysis: Analysis) -> "TrackedFaces":
        frame, track = (analysis.faces[name].to_numpy() for name in ("frame", "track"))
        by_track = np.argsort(track, kind="stable")
        return cls(analysis.faces, frame, track, by_track, track[by_track])

    def of_track(self, track: int) -> pa.Table:
        """Rows of one track, ordered by frame."""
        first, end = np.searchsorted(self._track_in_order, [track, track + 1])
        return self.faces.take(self._by_track[first:end])

    def beside(self, track: int, start: int, end: int) -> tuple[NDArray[np.int32], Float64]:
        """Frames and boxes of all faces in frames ``[start, end)`` that are not of the track.

        Faces that belong to no person are included.
        """
        rows = np.arange(*np.searchsorted(self._frame, [start, end]))
        rows = rows[self._track[rows] != track]
        return self._frame[rows], boxes_of(self.faces.take(rows)).astype(np.float64)


@dataclass(frozen=True)
class _Rows:
    """One track's faces in frames that follow each other."""

    first_frame: int
    boxes: Float64
    """``(n, 4)`` x1 y1 x2 y2 in pixels."""
    facing: Float64
    """``(n,)`` frontality."""
    scores: Float64
    """``(n,)`` detection scores."""

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
    """The training clips of a person inside ``ranges``, none of which contains a cut."""
    training_clips: list[TrainingClip] = []
    rejected: list[Rejected] = []
    tracks = sorted(
        (t for t in analysis.tracks if t.person == person), key=lambda t: (t.first_frame, t.id)
    )
    for track in tracks:
        for rows in _contiguous(tracked.of_track(track.id)):
            for start_end in intersection(ranges, [rows.start_end]):
                fit, unfit = _of_range(
                    person, track.id, rows.part(start_end), analysis, tracked, frame_times, settings
                )
                rejected += unfit
                training_clips += fit
    return [
        replace(clip, segment=replace(clip.segment, index=i))
        for i, clip in enumerate(training_clips, start=1)
    ], rejected


def _of_range(
    person: int,
    track: int,
    rows: _Rows,
    analysis: Analysis,
    tracked: TrackedFaces,
    frame_times: FrameTimes,
    settings: ClipSettings,
) -> tuple[list[TrainingClip], list[Rejected]]:
    """The training clips of one track in one shot."""
    rejected: list[Rejected] = []
    others = tracked.beside(track, *rows.start_end)

    def reject(start_end: StartEnd, reason: str, detail: str) -> None:
        rejected.append(
            Rejected((person,), frame_times.frame_range(*start_end), reason, detail, track)
        )

    fit = np.ones(len(rows.boxes), bool)
    crowded = _in_crop(person, rows.start_end, others, analysis, frame_times, settings)
    small = _median_filtered(rows.heights) < settings.face_px
    away = _median_filtered(rows.facing) < settings.frontality
    hidden = _beside_forgotten(rows.start_end, analysis)
    for flags, reason in (
        (crowded, "another face"), (hidden, "somebody forgotten"), (small, "too small"),
        (away, "turned away"),
    ):  # fmt: skip
        for a, b in ranges_where(flags & fit, 0):
            part = rows.part((rows.first_frame + a, rows.first_frame + b))
            reject(part.start_end, reason, _detail(reason, part, settings))
        fit &= ~flags
    segments, short = segments_of(
        (person,), ranges_where(fit, rows.first_frame), frame_times, settings
    )
    rejected += [replace(one, track=track) for one in short]
    training_clips = []
    for segment in segments:
        (frame_range,) = segment.ranges
        start_end = (frame_range.start_frame, frame_range.end_frame)
        part = rows.part(start_end)
        if _in_crop(person, start_end, others, analysis, frame_times, settings).any():
            reject(start_end, "another face", "in the crop")
            continue
        frames = np.arange(*start_end, dtype=np.int32)
        times_s = frame_times.edges_s[frames - frame_times.first_frame]
        _, panels = layout_of(segment, frames, times_s, analysis, settings)
        if (times := enlargement(panels)) > settings.enlargement:
            reject(start_end, "enlarged", f"{times:.1f} times, {settings.enlargement:g} at most")
            continue
        sharp = measured_sharpness(analysis.info, frames, times_s, part.boxes)
        if sharp < settings.sharpness:
            reject(start_end, "blurred", f"{sharp:.2f}, {settings.sharpness:g} needed")
            continue
        facing = float(np.median(part.facing))
        height, score = float(np.median(part.heights)), float(part.scores.min())
        training_clips.append(TrainingClip(segment, track, height, facing, sharp, score))
    return training_clips, rejected


def measured_sharpness(
    video: VideoInfo, frames: NDArray[np.int32], times_s: Float64, boxes: Float64
) -> float:
    """Sharpness of a face in a part of a video, 0 to 1: the median over a few frames.

    Args:
        video: what was analysed.
        frames: ``(n,)`` numbers of the frames, ascending.
        times_s: ``(n,)`` their presentation times in seconds.
        boxes: ``(n, 4)`` the face in each, x1 y1 x2 y2 in pixels.

    Raises:
        InputError: when the video is gone, or none of the frames can be read again.
    """
    chosen = np.unique(np.linspace(0, len(boxes) - 1, SHARPNESS_FRAMES).round().astype(int))
    with FrameReader.open(video.path, video.streams, video.clock) as reader:
        found = [
            sharpness(box_crop(upright(read.frame), box))
            for read, box in zip(
                reader.frames(frames[chosen], times_s[chosen]),
                boxes[chosen].astype(np.float32),
                strict=False,  # a file that was cut off gives fewer
            )
        ]
    if not found:
        raise InputError(f"{video.path}: no frame at {times_s[0]:.2f} s any more")
    return float(np.median(found))


def _detail(reason: str, part: _Rows, settings: ClipSettings) -> str:
    if reason == "too small":
        return f"{np.median(part.heights):.0f} px, {settings.face_px} needed"
    if reason == "turned away":
        return f"{np.median(part.facing):.2f}, {settings.frontality:g} needed"
    return "in the picture" if reason == "somebody forgotten" else "in the crop"


def _contiguous(faces: pa.Table) -> Iterator[_Rows]:
    """The faces of a track, in pieces without a missing frame."""
    if not len(faces):
        return
    frames = faces["frame"].to_numpy()
    boxes = boxes_of(faces).astype(np.float64)
    facing, scores = frontality(landmarks_of(faces)), faces["score"].to_numpy().astype(np.float64)
    breaks = [0, *(np.flatnonzero(np.diff(frames) != 1) + 1).tolist(), len(frames)]
    for a, b in pairwise(breaks):
        yield _Rows(int(frames[a]), boxes[a:b], facing[a:b], scores[a:b])


def _beside_forgotten(start_end: StartEnd, analysis: Analysis) -> Flags:
    """``(n,)`` whether a frame shows a forgotten person, whose place is no longer known."""
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
    """``(n,)`` whether another face reaches into the crop, for each frame of a range."""
    found = np.zeros(start_end[1] - start_end[0], bool)
    inside = (others[0] >= start_end[0]) & (others[0] < start_end[1])
    if not inside.any():
        return found
    segment = Segment((person,), 1, (frame_times.frame_range(*start_end),))
    frames = np.arange(*start_end, dtype=np.int32)
    times_s = frame_times.edges_s[frames - frame_times.first_frame]
    _, (panel,) = layout_of(segment, frames, times_s, analysis, settings)
    at, boxes = others[0][inside] - start_end[0], others[1][inside]
    centres, halves = panel.crops[at, :2], panel.crops[at, 2:] / 2
    reaches = (boxes[:, :2] < centres + halves) & (boxes[:, 2:] > centres - halves)
    found[at[reaches.all(axis=1)]] = True
    return found


def _median_filtered(values: Float64) -> Float64:
    return np.asarray(median_filter(values, size=MEDIAN_FRAMES, mode="nearest"))
