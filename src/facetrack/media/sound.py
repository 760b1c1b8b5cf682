"""Reads time ranges of a video's sound, with exactly as many samples as asked for, piece by piece.

Samples follow each other as they were recorded. The times in the file say where a run of samples
begins; they are used again only where they leave a gap. Where there is no sound, silence is given.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from facetrack.core.closing import Closing
from facetrack.core.types import BEST_STREAMS, Join, StreamChoice
from facetrack.media.audio_reader import AudioReader

Samples = NDArray[np.float32]
"""``(channels, n)`` float32, full scale is -1 to 1."""
SoundFormat = tuple[int, str]
"""Samples a second, and ``mono`` or ``stereo``."""

AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
PART_S = 0.25
"""Seconds of sound that are joined into one piece."""
JUMP_S = 0.01
"""Seconds between the end of the samples so far and the time of a frame, from which the frame is
placed by its time. A smaller difference is rounding: Matroska's times are whole milliseconds."""


class SoundFile(Closing):
    """The sound of a film. A context manager that holds the file open.

    Times are in seconds from the start of the video stream, as those of the frames are.

    Args:
        streams: the film's streams that are read.
        joins: where the film's times begin anew or jump, as the analysis found it.

    Raises:
        InputError: when the file has no such streams.
        FFmpegError: when libav cannot read the file.
    """

    def __init__(
        self, path: Path, streams: StreamChoice = BEST_STREAMS, joins: Sequence[Join] = ()
    ) -> None:
        self._reader = AudioReader(path, streams, joins)

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._reader.close()

    @property
    def trouble(self) -> str | None:
        """What of the ranges given so far could not be read, and is silent; None: nothing."""
        return self._reader.trouble

    @property
    def format(self) -> SoundFormat | None:
        """For a clip of this film; None: the film has no sound that can be decoded."""
        if self._reader.stream is None:
            return None
        context = self._reader.stream.codec_context
        rate = context.sample_rate if context.sample_rate in AAC_RATES else 48000
        return rate, "mono" if context.channels == 1 else "stereo"

    def ranges(self, ranges: Sequence[tuple[float, int]], sound: SoundFormat) -> Iterator[Samples]:
        """The sound of each range, one after the other, in pieces.

        Args:
            ranges: start of each in seconds, and the number of its samples; exactly so many are
                given.
            sound: sample rate and layout that are wanted.
        """
        for start_s, count in ranges:
            parts = self._from(self._reader.film_begins_s + start_s, count / sound[0], sound)
            yield from _exactly(count, _larger_parts(parts, sound[0]), sound)

    def _from(
        self, start_s: float, duration_s: float, sound: SoundFormat
    ) -> Iterator[tuple[int, Samples]]:
        """Resampled parts of the sound, each with its position in samples from ``start_s``.

        Each unbroken run of samples has its own resampler, which is emptied at the end of the run.
        """
        rate, layout = sound
        kind, until_s, at = None, 0.0, 0
        resampler = None
        for time_s, frame in self._reader.frames(start_s, start_s + duration_s):
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


def sound_format(path: Path, streams: StreamChoice = BEST_STREAMS) -> SoundFormat | None:
    """``SoundFile.format`` of a film.

    Raises:
        InputError: when the file has no such streams.
        FFmpegError: when libav cannot read the file.
    """
    with SoundFile(path, streams) as file:
        return file.format


def read_sound(path: Path, start_s: float, end_s: float, sound: SoundFormat) -> Samples:
    """``round((end_s - start_s) * rate)`` samples of a film's best sound, from ``start_s`` on.

    Times are in seconds from the start of the video stream, as those of the frames are.

    Raises:
        FFmpegError: when libav cannot read the file.
    """
    with SoundFile(path) as file:
        return whole(file, start_s, end_s, sound)


def whole(file: SoundFile, start_s: float, end_s: float, sound: SoundFormat) -> Samples:
    """``(channels, round((end_s - start_s) * rate))`` samples of a range, all at once."""
    rate, layout = sound
    empty = np.empty((_channels(layout), 0), np.float32)
    parts = file.ranges([(start_s, round((end_s - start_s) * rate))], sound)
    return np.concatenate([empty, *parts], axis=1)


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
    count: int, parts: Iterator[tuple[int, Samples]], sound: SoundFormat
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


def _silence(count: int, sound: SoundFormat) -> Iterator[Samples]:
    rate, layout = sound
    for start in range(0, count, rate):
        yield np.zeros((_channels(layout), min(rate, count - start)), np.float32)


def _placed(at: int, frames: Sequence[AudioFrame | None]) -> Iterator[tuple[int, Samples]]:
    for frame in frames:
        if frame is not None:  # a resampler that does nothing gives None at the end
            part = np.asarray(frame.to_ndarray(), np.float32)
            yield at, part
            at += part.shape[1]


def _channels(layout: str) -> int:
    return 1 if layout == "mono" else 2
