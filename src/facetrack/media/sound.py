"""Reads exactly the samples of a span of a video's sound."""

from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
PREROLL_S = 0.5
"""Read before the span: the first packets after a seek may decode to nothing."""


def sound_format(path: Path) -> tuple[int, str] | None:
    """Sample rate and layout (mono or stereo) that the clip's sound will have; None: no sound."""
    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.audio:
            return None
        context = container.streams.audio[0].codec_context
        rate = context.sample_rate if context.sample_rate in AAC_RATES else 48000
        return rate, "mono" if context.channels == 1 else "stereo"


def read_sound(
    path: Path, start_s: float, end_s: float, sound: tuple[int, str]
) -> NDArray[np.float32]:
    """``(channels, round((end_s - start_s) * rate))`` float32; silence where there is none.

    Times count from the start of the video stream, as those of the pictures do.
    """
    rate, layout = sound
    channels = 1 if layout == "mono" else 2
    samples = np.zeros((channels, round((end_s - start_s) * rate)), np.float32)
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.audio[0]
        video = container.streams.video[0]
        zero_s = float((video.start_time or 0) * (video.time_base or Fraction(0)))
        time_base = stream.time_base or Fraction(1, rate)
        resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        first_pts = int((start_s + zero_s - PREROLL_S) / time_base)
        container.seek(first_pts, stream=stream, backward=True)
        try:
            for frame in container.decode(stream):
                if frame.pts is None:
                    continue
                time_s = float(frame.pts * time_base) - zero_s
                if time_s >= end_s:
                    break
                frame.pts = None  # resampled frame by frame; the place is kept by time_s
                for part in resampler.resample(frame):
                    _place(samples, _float32(part), round((time_s - start_s) * rate))
                    time_s += part.samples / rate
        except av.error.FFmpegError:
            pass  # damaged sound: silence from there on, the pictures stay
    return samples


def _float32(frame: AudioFrame) -> NDArray[np.float32]:
    """``(channels, n)`` of a planar float frame."""
    return np.asarray(frame.to_ndarray(), np.float32)


def _place(samples: NDArray[np.float32], part: NDArray[np.float32], at: int) -> None:
    """Copies what of ``part`` falls inside, ``at`` samples from the start."""
    first, end = max(0, -at), min(part.shape[1], samples.shape[1] - at)
    if end > first:
        samples[:, at + first : at + end] = part[:, first:end]
