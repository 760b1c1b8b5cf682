"""Reads time ranges of a video's sound, with exactly as many samples as asked for, piece by piece.

Samples follow each other as they were recorded. The times in the file say where a run of samples
begins; they are used again only where they leave a gap. Where there is no sound, silence is given.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from facetrack.core.types import Join
from facetrack.media.joins import SoundJoins
from facetrack.media.opening import open_media
from facetrack.media.streams import begin_s, packets_of, sound_stream, video_stream

Samples = NDArray[np.float32]
"""``(channels, n)`` float32, full scale is -1 to 1."""

AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
PREROLL_S = 0.5
"""Seconds read before the range: the first packets after a seek may decode to nothing."""
PART_S = 0.25
"""Seconds of sound that are joined into one piece."""
JUMP_S = 0.01
"""Seconds between the end of the samples so far and the time of a frame, from which the frame is
placed by its time. A smaller difference is rounding: Matroska's times are whole milliseconds."""


def sound_format(path: Path) -> tuple[int, str] | None:
    """Sample rate and layout (``mono`` or ``stereo``) for a clip of this file; None: no sound.

    Raises:
        FFmpegError: when libav cannot read the file.
    """
    with open_media(path) as container:
        stream = sound_stream(container)
        if stream is None:
            return None
        context = stream.codec_context
        rate = context.sample_rate if context.sample_rate in AAC_RATES else 48000
        return rate, "mono" if context.channels == 1 else "stereo"


def read_sound(
    path: Path,
    start_s: float,
    end_s: float,
    sound: tuple[int, str],
    joins: Sequence[Join] = (),
) -> Samples:
    """``round((end_s - start_s) * rate)`` samples from ``start_s`` on.

    Times are in seconds from the start of the video stream, as those of the frames are.

    Args:
        sound: sample rate and layout.
        joins: of the film, see ``sound_of``.

    Raises:
        FFmpegError: when libav cannot read the file.
    """
    rate, layout = sound
    empty = np.empty((_channels(layout), 0), np.float32)
    parts = sound_of(path, [(start_s, round((end_s - start_s) * rate))], sound, joins)
    return np.concatenate([empty, *parts], axis=1)


def sound_of(
    path: Path,
    ranges: Sequence[tuple[float, int]],
    sound: tuple[int, str],
    joins: Sequence[Join] = (),
) -> Iterator[Samples]:
    """The sound of each range, one after the other, in pieces.

    Args:
        ranges: start of each in seconds from the start of the video stream, and the number of its
            samples; exactly so many are given.
        sound: sample rate and layout.
        joins: where the film's times begin anew or jump, as the analysis found it.

    Raises:
        FFmpegError: when libav cannot read the file.
    """
    passes = [[one] for one in ranges] if joins else [ranges]  # a seek may end in any part
    for these in passes:
        with open_media(path) as container:
            stream, video = sound_stream(container), video_stream(container)
            zero_s = 0.0 if video is None else begin_s(video)
            for start_s, count in these:
                parts: Iterator[tuple[int, Samples]] = iter(())
                if stream is not None:
                    parts = _from(container, stream, zero_s + start_s, sound, joins)
                yield from _exactly(count, _larger_parts(parts, sound[0]), sound)


def sample_counts(seconds: Sequence[float], whole_s: float, rate: int) -> list[int]:
    """Number of samples of each of several ranges, which last ``whole_s`` seconds together.

    They are differences of rounded sums, so that many ranges do not drift from their frames.
    """
    ends = np.rint(np.cumsum(seconds) * rate).astype(np.int64)
    ends = np.minimum(ends, round(whole_s * rate))
    ends[-1] = round(whole_s * rate)
    return [int(n) for n in np.diff(ends, prepend=0)]


def int16(samples: Samples) -> NDArray[np.int16]:
    """``(1, n * channels)`` int16 as WAV and PCM tracks hold them: the channels interleaved."""
    whole = np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)
    return np.ascontiguousarray(whole.T).reshape(1, -1)


def _exactly(
    count: int, parts: Iterator[tuple[int, Samples]], sound: tuple[int, str]
) -> Iterator[Samples]:
    """``count`` samples, made of parts with their positions; what no part covers is silent."""
    done = 0
    for at, part in parts:
        yield from _silence(min(at, count) - done, sound)
        done = max(done, min(at, count))
        piece = part[:, max(0, done - at) : max(0, count - at)]
        if piece.shape[1]:
            yield piece
            done += piece.shape[1]
        if done == count:
            return
    yield from _silence(count - done, sound)


def _larger_parts(parts: Iterator[tuple[int, Samples]], rate: int) -> Iterator[tuple[int, Samples]]:
    """Joins parts that follow each other, because the work on each part has a fixed cost."""
    waiting: list[Samples] = []
    at = end = 0
    for place, part in parts:
        if waiting and (place != end or end - at > PART_S * rate):
            yield at, np.concatenate(waiting, axis=1)
            waiting = []
        if not waiting:
            at = place
        waiting.append(part)
        end = place + part.shape[1]
    if waiting:
        yield at, np.concatenate(waiting, axis=1)


def _silence(count: int, sound: tuple[int, str]) -> Iterator[Samples]:
    rate, layout = sound
    for start in range(0, count, rate):
        yield np.zeros((_channels(layout), min(rate, count - start)), np.float32)


def _from(
    container: InputContainer,
    stream: AudioStream,
    start_s: float,
    sound: tuple[int, str],
    joins: Sequence[Join],
) -> Iterator[tuple[int, Samples]]:
    """Resampled parts of the sound, each with its position in samples from ``start_s``.

    Each unbroken run of samples has its own resampler, which is emptied at the end of the run.
    """
    rate, layout = sound
    kind, until_s, at = None, 0.0, 0
    resampler = None
    for time_s, frame in _frames(container, stream, start_s, joins):
        is_now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or is_now != kind or abs(time_s - until_s) > JUMP_S:
            if resampler is not None:
                yield from _placed(at, resampler.resample(None))
            resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
            kind, until_s, at = is_now, time_s, round((time_s - start_s) * rate)
        until_s += frame.samples / frame.sample_rate
        frame.pts = None  # the position is kept here, and rounded once a run
        for place, part in _placed(at, resampler.resample(frame)):
            yield place, part
            at = place + part.shape[1]
    if resampler is not None:
        yield from _placed(at, resampler.resample(None))


def _placed(at: int, frames: Sequence[AudioFrame | None]) -> Iterator[tuple[int, Samples]]:
    for frame in frames:
        if frame is not None:  # a resampler that does nothing gives None at the end
            part = np.asarray(frame.to_ndarray(), np.float32)
            yield at, part
            at += part.shape[1]


def _frames(
    container: InputContainer, stream: AudioStream, start_s: float, joins: Sequence[Join]
) -> Iterator[tuple[float, AudioFrame]]:
    """Time in seconds and frame, from a little before ``start_s``; damaged packets are skipped.

    A film with joins is read from where it is: its times lead to several places.
    """
    clock = SoundJoins(joins)
    time_base = stream.time_base or Fraction(1, stream.codec_context.sample_rate)
    try:
        if not joins:
            container.seek(int((start_s - PREROLL_S) / time_base), stream=stream, backward=True)
        for packet in packets_of(container, stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if frame.pts is not None:
                    lasts_s = frame.samples / frame.sample_rate
                    time_s = clock.film_s(float(frame.pts * time_base), lasts_s)
                    if not joins or time_s + lasts_s > start_s - PREROLL_S:
                        yield time_s, frame
    except av.error.FFmpegError:
        return  # the rest is damaged, or the file cannot be sought in


def _channels(layout: str) -> int:
    return 1 if layout == "mono" else 2
