"""What the ffmpeg program shows and plays of a film, to compare with."""

import subprocess
from pathlib import Path

import av
import numpy as np
import pytest


def ffmpeg(*arguments: str | Path) -> bytes:
    """What the program writes to its standard output; skips the test where there is no program."""
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    command = [program, "-v", "error", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def played(path: Path, rate: int, channels: int) -> np.ndarray:
    """``(channels, n)`` float32: all sound from the start of the video stream on."""
    with av.open(str(path)) as film:
        video = film.streams.video[0]
        begin_s = float((video.start_time or 0) * video.time_base) - (film.start_time or 0) / 1e6
    raw = ffmpeg(
        "-i", path, "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-f", "f32le",
        "-ac", str(channels), "-ar", str(rate), "-",
        "-map", "0:v:0", "-c", "copy", "-f", "null", "-",  # so that the film's start counts too
    )  # fmt: skip
    sound = np.frombuffer(raw, np.float32).reshape(-1, channels).T
    return sound[:, round(begin_s * rate) :]


def shown(path: Path) -> np.ndarray:
    """``(n, height, width, 3)`` uint8 RGB: all frames, upright."""
    size = ffmpeg("-i", path, "-frames:v", "1", "-c:v", "ppm", "-f", "image2pipe", "-").split()[1:3]
    raw = ffmpeg("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, int(size[1]), int(size[0]), 3)


def lag(one: np.ndarray, other: np.ndarray, most: int = 2000) -> int:
    """Samples by which ``(n,)`` sound comes later than another, by cross-correlation."""
    n = 2 * max(len(one), len(other))
    product = np.fft.rfft(one, n) * np.conj(np.fft.rfft(other, n))
    likeness = np.fft.irfft(product, n)
    return int(np.concatenate([likeness[-most:], likeness[: most + 1]]).argmax()) - most
