"""Plans clips from an analysis and the settings: who, when, and what each frame shows.

The steps are: people, ranges on screen, speech, padding, segments, names, crops. Nothing is
written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrack.clips.camera.layout import layout_of
from facetrack.clips.plan.clip import Clip, Segment, enlargement
from facetrack.clips.plan.naming import clip_paths, parsed
from facetrack.clips.plan.photo import Enroller
from facetrack.clips.plan.segments import Rejected, on_screen, padded, segments_of
from facetrack.clips.plan.target import choose, targets_of
from facetrack.clips.plan.training_clips import (
    TrackedFaces,
    TrainingClip,
    training_clips_of,
)
from facetrack.core.frame_range import EPSILON_S, FrameTimes, StartEnd, difference, intersection
from facetrack.core.settings import ClipSettings
from facetrack.core.types import StreamChoice, VideoInfo
from facetrack.media.codecs import Encoding, choose_encoder, suffix_of
from facetrack.media.sound import SoundFile
from facetrack.media.streams import open_again
from facetrack.speech.activity import speech_in
from facetrack.timeline import Analysis


@dataclass(frozen=True)
class Plan:
    """The clips to be made, and the parts of the chosen people's time that are in no clip."""

    clips: list[Clip]
    rejected: list[Rejected]
    training_clips: list[TrainingClip] = field(default_factory=list)
    """For a data set: the scores of each of ``clips``, in their order."""
    names: dict[int, str] = field(default_factory=dict)
    """Person -> name, as the targets call them."""
    warnings: list[str] = field(default_factory=list)
    """What the user should know, one line each."""


def check_settings(settings: ClipSettings) -> list[Path]:
    """Checks what can be checked before there is an analysis; gives the photos among the targets.

    Raises:
        UsageError: when a target or the template is invalid, or the codec cannot be encoded here.
    """
    choose_encoder(encoding_of(settings, settings.hdr == "keep"))
    parsed(settings.name or "")
    return [t.meant for t in targets_of(settings) if isinstance(t.meant, Path)]


def encoding_of(settings: ClipSettings, hdr: bool) -> Encoding:
    """The settings that the encoder needs.

    Args:
        hdr: whether the video is in HDR.
    """
    kept = hdr and settings.hdr == "keep"
    codec = "hevc" if kept and settings.codec == "h264" else settings.codec
    return Encoding(codec, settings.quality, settings.effort, settings.wav_rate, hdr=kept)


def streams_of(info: VideoInfo, settings: ClipSettings) -> StreamChoice:
    """What clips read of the video, and how."""
    wanted = info.deinterlaced and settings.deinterlace == "auto"
    return info.streams._replace(deinterlace=wanted)


def plan_clips(
    analysis: Analysis, settings: ClipSettings, enroller: Enroller | None = None
) -> Plan:
    """Decides what each clip shows.

    Args:
        enroller: holds the faces of the photos among the targets; None: a new one.

    Raises:
        TargetError: when a target is nobody in this video.
        UsageError: when targets, mode and name do not fit together.
        InputError: when the video cannot be read, which ``speech_only`` and ``data_set`` need.
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
    speech, why_silent, warnings = None, "", list[str]()
    if settings.speech_only:
        speech, trouble = _speech_ranges(people, analysis, frame_times, settings)
        why_silent = "nobody speaks" if analysis.info.has_audio else "the video has no sound"
        if trouble is not None:
            warnings.append(f"speech may be missed where the sound cannot be read: {trouble}")
            why_silent = "nobody speaks, or the sound cannot be read"
    segments: list[Segment] = []
    rejected: list[Rejected] = []
    training_clips: list[TrainingClip] = []
    tracked = TrackedFaces.of(analysis)
    for group in filter(None, groups):
        ranges = _ranges_on_screen(
            group, cuts, analysis, 1 if settings.data_set else settings.max_gap
        )
        shown = ranges if speech is None else intersection(ranges, speech)
        if settings.data_set:
            found, unfit = training_clips_of(
                group[0], shown, analysis, tracked, frame_times, settings
            )
            training_clips += found
            segments += [clip.segment for clip in found]
        else:
            shown = padded(shown, cuts, frame_times, settings.pad_s)
            made, unfit = segments_of(group, shown, frame_times, settings)
            segments += made
        rejected += [
            Rejected(group, frame_times.frame_range(*silent), "no speech", why_silent)
            for silent in difference(ranges, shown)
        ]
        rejected += unfit
    suffix = suffix_of(settings.codec)
    paths = clip_paths(segments, settings.name, settings.mode, analysis.info.path, names, suffix)
    clips = [
        _clip(path, segment, analysis, frame_times, settings)
        for path, segment in zip(paths, segments, strict=True)
    ]
    if not (settings.data_set or settings.debug_overlay):
        warnings += _enlarged(clips, settings.enlargement)
    return Plan(clips, rejected, training_clips, names, warnings)


def _enlarged(clips: Sequence[Clip], most: float) -> list[str]:
    """One line when clips enlarge faces much; of the one that does so most."""
    times = {clip.path: enlargement(clip.panels) for clip in clips}
    many = [path for path in times if times[path] > most]
    if not many:
        return []
    worst = max(many, key=lambda path: times[path])
    which = "1 clip enlarges its face" if len(many) == 1 else f"{len(many)} clips enlarge faces"
    return [
        f"{which} more than {most:g} times ({worst.as_posix()}: {times[worst]:.1f} times); a "
        "smaller --size or a wider --zoom shows them sharper"
    ]


def _ranges_on_screen(
    people: tuple[int, ...], cuts: list[int], analysis: Analysis, max_gap: int
) -> list[StartEnd]:
    """Ranges in which at least one of the people is on screen."""
    intervals = [(i.start_frame, i.end_frame) for i in analysis.intervals if i.person in people]
    return on_screen(intervals, cuts, max_gap)


def _speech_ranges(
    people: tuple[int, ...], analysis: Analysis, frame_times: FrameTimes, settings: ClipSettings
) -> tuple[list[StartEnd], str | None]:
    """Ranges in which somebody speaks while at least one of the people is on screen, and what of
    the sound could not be read."""
    info = analysis.info
    if not info.has_audio:
        return [], None
    found: list[StartEnd] = []
    open_again(info.path, info.streams)[0].close()  # says so where it is gone
    with SoundFile(info.path, info.streams, info.clock.joins) as sound:
        for a, b in _ranges_on_screen(people, [], analysis, settings.max_gap):
            heard = speech_in(sound, frame_times.at(a), frame_times.at(b))
            found += [(frame_times.near(begin), frame_times.near(end)) for begin, end in heard]
        return found, sound.trouble


def _cuts(analysis: Analysis, settings: ClipSettings) -> list[int]:
    """Frames at which a clip must end."""
    whole = not (settings.cut_at_shots or settings.data_set)
    return [] if whole else sorted(shot.start_frame for shot in analysis.shots)


def _clip(
    path: Path,
    segment: Segment,
    analysis: Analysis,
    frame_times: FrameTimes,
    settings: ClipSettings,
) -> Clip:
    frames, edges_s = shown_frames(segment, frame_times, settings.frame_rate)
    source_s = frame_times.edges_s[frames - frame_times.first_frame]
    size, panels = layout_of(segment, frames, source_s, analysis, settings)
    return Clip(path, segment, size, frames, source_s, edges_s, panels)


def shown_frames(
    segment: Segment, frame_times: FrameTimes, rate: Fraction | None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """``(m,)`` source frames that a clip shows, and ``(m + 1,)`` edges of their times, from 0.

    With a constant ``rate``, each frame of the clip shows the source frame that is on screen when
    it begins, and the clip lasts a whole number of frames.
    """
    frames, edges_s = [], [np.zeros(1)]
    for frame_range in segment.ranges:
        at = np.arange(frame_range.start_frame, frame_range.end_frame + 1) - frame_times.first_frame
        frames.append(at[:-1] + frame_times.first_frame)
        edges_s.append(frame_times.edges_s[at[1:]] - frame_times.edges_s[at[0]] + edges_s[-1][-1])
    shown = np.concatenate(frames).astype(np.int32)
    edges = np.concatenate(edges_s)
    if rate is None:
        return shown, edges
    count = max(1, round(edges[-1] * rate))
    ticks = np.arange(count + 1) * rate.denominator / rate.numerator
    on_screen_then = np.searchsorted(edges[:-1], ticks[:-1] + EPSILON_S, side="right") - 1
    return shown[on_screen_then], ticks
