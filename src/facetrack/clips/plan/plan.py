"""From an analysis and settings to clips: who, when, and what each frame shows.

The one place that knows the order: people, times on screen, speech, padding, segments, names,
crops. Writes nothing.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrack.clips.camera.layout import image_of
from facetrack.clips.plan.clip import Clip, Segment
from facetrack.clips.plan.dataset import TrainingClip, training_clips_of
from facetrack.clips.plan.naming import clip_paths, parsed
from facetrack.clips.plan.photo import Enroller
from facetrack.clips.plan.segments import Rejected, on_screen, padded, segments_of
from facetrack.clips.plan.target import choose, targets_of
from facetrack.clips.plan.tracked import TrackedFaces
from facetrack.core.frame_range import EPSILON_S, FrameTimes, StartEnd, difference, intersection
from facetrack.core.settings import ClipSettings
from facetrack.media.codecs import Encoding, choose_encoder, suffix_of
from facetrack.speech.activity import speech_in
from facetrack.timeline import Analysis


@dataclass(frozen=True)
class Plan:
    """What is to be made, and what of the chosen people's time is in no clip."""

    clips: list[Clip]
    left_out: list[Rejected]
    training_clips: list[TrainingClip] = field(default_factory=list)
    """Of a data set: what each clip, in order, was chosen for."""
    names: dict[int, str] = field(default_factory=dict)
    """Of all people, as the targets call them."""


def check_settings(settings: ClipSettings) -> list[Path]:
    """What can be known to be wrong before there is an analysis; gives the photos to enrol.

    Raises:
        UsageError: for targets, a template or a codec that are not to be had.
    """
    choose_encoder(encoding_of(settings))
    parsed(settings.name or "")
    return [t.meant for t in targets_of(settings) if isinstance(t.meant, Path)]


def encoding_of(settings: ClipSettings) -> Encoding:
    """What of the settings the encoder has to know."""
    return Encoding(settings.codec, settings.quality, settings.effort, settings.wav_rate)


def plan_clips(
    analysis: Analysis, settings: ClipSettings, enroller: Enroller | None = None
) -> Plan:
    """Everything that is decided before a clip is written.

    Args:
        enroller: knows the faces of photos among the targets; one of its own when left out.

    Raises:
        TargetError: when a target is nobody of this video.
        UsageError: when targets, mode and name do not go together.
        InputError: when ``speech_only`` is set and the sound cannot be read.
    """
    chosen = choose(targets_of(settings), settings.mode, analysis, enroller or Enroller())
    names = {p.id: p.name for p in analysis.people} | {c.person: c.name for c in chosen}
    people = tuple(c.person for c in chosen)
    frame_times = FrameTimes(
        np.append(analysis.frame_times, analysis.info.duration_s), analysis.first_frame
    )
    cuts = _cuts(analysis, settings)
    alone = settings.mode in ("single", "each")
    groups = [(person,) for person in people] if alone else [people]
    voices = _voices(people, analysis, frame_times, settings) if settings.speech_only else None
    why_silent = "nobody speaks" if analysis.info.has_audio else "the video has no sound"
    segments: list[Segment] = []
    left_out: list[Rejected] = []
    training_clips: list[TrainingClip] = []
    tracked = TrackedFaces.of(analysis)
    for group in filter(None, groups):
        ranges = _together(group, cuts, analysis, 1 if settings.data_set else settings.max_gap)
        shown = ranges if voices is None else intersection(ranges, voices)
        if settings.data_set:
            found, refused = training_clips_of(
                group[0], shown, analysis, tracked, frame_times, settings
            )
            training_clips += found
            segments += [take.segment for take in found]
        else:
            shown = padded(shown, cuts, frame_times, settings.pad_s)
            made, refused = segments_of(group, shown, frame_times, settings)
            segments += made
        left_out += [
            Rejected(group, frame_times.frame_range(*silent), "no speech", why_silent)
            for silent in difference(ranges, shown)
        ]
        left_out += refused
    suffix = suffix_of(settings.codec)
    paths = clip_paths(segments, settings.name, settings.mode, analysis.info.path, names, suffix)
    clips = [
        _clip(path, segment, analysis, frame_times, settings)
        for path, segment in zip(paths, segments, strict=True)
    ]
    return Plan(clips, left_out, training_clips, names)


def _together(
    people: tuple[int, ...], cuts: list[int], analysis: Analysis, max_gap: int
) -> list[StartEnd]:
    """When one of them, at least, is on screen."""
    intervals = [(i.start_frame, i.end_frame) for i in analysis.intervals if i.person in people]
    return on_screen(intervals, cuts, max_gap)


def _voices(
    people: tuple[int, ...], analysis: Analysis, frame_times: FrameTimes, settings: ClipSettings
) -> list[StartEnd]:
    """When somebody speaks while one of them is on screen; listened to once, whoever it is."""
    if not analysis.info.has_audio:
        return []
    found: list[StartEnd] = []
    for a, b in _together(people, [], analysis, settings.max_gap):
        heard = speech_in(analysis.info.path, frame_times.at(a), frame_times.at(b))
        found += [(frame_times.near(start_s), frame_times.near(end_s)) for start_s, end_s in heard]
    return found


def _cuts(analysis: Analysis, settings: ClipSettings) -> list[int]:
    """Frames at which a clip has to end."""
    whole = not (settings.cut_at_shots or settings.data_set)
    return [] if whole else sorted(shot.start_frame for shot in analysis.shots)


def _clip(
    path: Path,
    segment: Segment,
    analysis: Analysis,
    frame_times: FrameTimes,
    settings: ClipSettings,
) -> Clip:
    frames, edges_s = pictures_of(segment, frame_times, settings.frame_rate)
    source_s = frame_times.edges_s[frames - frame_times.first_frame]
    size, panels = image_of(segment, frames, source_s, analysis, settings)
    return Clip(path, segment, size, frames, source_s, edges_s, panels)


def pictures_of(
    segment: Segment, frame_times: FrameTimes, rate: Fraction | None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The frames a clip shows, and the edges of their times on screen, from 0.

    With a constant ``rate`` each frame shows the frame that is on screen when it begins, and the
    clip lasts a whole number of frames.
    """
    frames, edges_s = [], [np.zeros(1)]
    for frame_range in segment.spans:
        at = np.arange(frame_range.start_frame, frame_range.end_frame + 1) - frame_times.first_frame
        frames.append(at[:-1] + frame_times.first_frame)
        edges_s.append(frame_times.edges_s[at[1:]] - frame_times.edges_s[at[0]] + edges_s[-1][-1])
    shown = np.concatenate(frames).astype(np.int32)
    edges = np.concatenate(edges_s)
    if rate is None:
        return shown, edges
    images = max(1, round(edges[-1] * rate))
    ticks = np.arange(images + 1) * rate.denominator / rate.numerator
    on_screen_then = np.searchsorted(edges[:-1], ticks[:-1] + EPSILON_S, side="right") - 1
    return shown[on_screen_then], ticks
