"""Small films of many containers, codecs and kinds of timing, to be compared with what the ffmpeg
program makes of them.

Frame ``i`` is all of one grey, another than those around it; the sound is noise of which no two
parts are alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from facetrack.media.priority import usual_priority
from made.ffmpeg_program import ffmpeg

RATE = 48000
FRAMES = 40
SIZE = (96, 64)
PAL = (720, 576)
"""The one size of DV that is tried."""
MILLISECONDS = Fraction(1, 1000)

ENCODERS = {
    "h264": ("libx264", {"preset": "ultrafast", "crf": "8", "bf": "0", "g": "12"}),
    "hevc": (
        "libx265",
        {"preset": "ultrafast", "crf": "8", "x265-params": "log-level=none:pools=none:bframes=0"},
    ),
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "b": "500k", "g": "12"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "b": "500k", "g": "12"}),
    "av1": ("libsvtav1", {"preset": "12", "crf": "20", "svtav1-params": "lp=1", "g": "12"}),
    "mpeg4": ("mpeg4", {"q:v": "2", "g": "12", "b": "4M"}),
    "mpeg2": ("mpeg2video", {"g": "12", "b": "4M"}),
    "mpeg1": ("mpeg1video", {"g": "12", "b": "4M"}),
    "mjpeg": ("mjpeg", {"b": "8M"}),
    "prores": ("prores_ks", {}),
    "dv": ("dvvideo", {}),
    "flv1": ("flv", {"b": "2M"}),
    "gif": ("gif", {}),
}
"""Codec -> libav's encoder and its options."""
PIX_FMTS = {"mjpeg": "yuvj420p", "prores": "yuv422p10le", "gif": "gray"}
"""Others are yuv420p."""
CONTAINERS = {
    "mp4": (("h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2", "mjpeg"), ("aac", "libmp3lame")),
    "mov": (("h264", "hevc", "prores", "mjpeg", "mpeg4", "dv"), ("aac", "pcm_s16le")),
    "mkv": (
        ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2", "mjpeg", "prores"),
        ("aac", "flac", "libopus"),
    ),
    "webm": (("vp8", "vp9", "av1"), ("libopus",)),
    "avi": (("h264", "mpeg4", "mjpeg", "mpeg2", "dv"), ("libmp3lame", "pcm_s16le")),
    "flv": (("h264", "flv1"), ("aac",)),
    "ts": (("h264", "hevc", "mpeg2", "mpeg4"), ("aac", "mp2")),
    "mpg": (("mpeg2", "mpeg1"), ("mp2",)),
    "gif": (("gif",), (None,)),
}
"""Suffix -> codecs, and encoders of sound, which take turns."""
B_FRAMES = {
    "h264": {"bf": "3"},
    "hevc": {"x265-params": "log-level=none:pools=none:bframes=3:b-adapt=0:keyint=12"},
    "mpeg4": {"bf": "2"},
    "mpeg2": {"bf": "2"},
    "mpeg1": {"bf": "2"},
}
"""Options for frames that are decoded in another order than they are shown in."""
STEPS_MS = (40, 10, 120, 33, 17, 80, 41, 55)
"""From one frame to the next, in turn, of a variable rate."""


@dataclass(frozen=True)
class SourceKind:
    """How a film is made."""

    suffix: str
    codec: str
    sound: str | None
    kind: str = "plain"
    size: tuple[int, int] = SIZE
    options: dict[str, str] = field(default_factory=dict)
    steps_ms: tuple[int, ...] = ()
    """Empty: 25 frames a second."""
    film_from_s: float = 0.0
    sound_from_s: float = 0.0
    rotation: int = 0
    cut_s: float = 0.0
    """The program copies the film from there on, which makes an edit list."""

    def __str__(self) -> str:
        return f"{self.suffix}-{self.codec}-{self.sound}-{self.kind}"

    def times_ms(self) -> list[int]:
        """When each frame is shown."""
        steps = self.steps_ms or (40,)
        after = [0, *(steps[i % len(steps)] for i in range(FRAMES - 1))]
        return (np.cumsum(after) + round(1000 * self.film_from_s)).tolist()


def source_kinds() -> list[SourceKind]:
    """Every container with every codec, and each kind where it can be."""
    plain = [
        SourceKind(suffix, codec, sounds[i % len(sounds)], size=PAL if codec == "dv" else SIZE)
        for suffix, (codecs, sounds) in CONTAINERS.items()
        for i, codec in enumerate(codecs)
    ]

    def some(kind: str, suffixes: str, codecs: str, **changed: Any) -> list[SourceKind]:
        wanted = [
            p for p in plain if p.suffix in suffixes.split() and p.codec in codecs.split()
        ]  # fmt: skip
        assert wanted
        return [replace(p, kind=kind, **changed) for p in wanted]

    reordered = [
        replace(p, kind="B-frames", options=B_FRAMES[p.codec]) for p in plain if p.codec in B_FRAMES
    ]
    edits = [
        replace(p, kind="an edit list", cut_s=0.3) for p in reordered if p.suffix in ("mp4", "mov")
    ]
    timed = "mp4 mov mkv webm flv ts"
    return [
        *plain,
        *reordered,
        *edits,
        *some("late sound", "mp4 mov mkv webm flv ts mpg", "h264 vp9 mpeg2", sound_from_s=0.4),
        *some("late picture", "mp4 mov mkv webm flv ts mpg", "h264 vp9 mpeg2", film_from_s=0.4),
        *some("variable rate", timed, "h264 vp9 mpeg4", steps_ms=STEPS_MS),
        *some("rotation", "mp4 mov mkv", "h264 hevc mjpeg", rotation=90),
        *some("odd sizes", "mp4 mkv webm avi", "mjpeg vp9 vp8 mpeg4", size=(97, 65)),
    ]


def grey_of(i: int) -> int:
    return (i * 37) % 190 + 30


def noise() -> np.ndarray:
    """``(1, n)`` float32 that lasts as long as the film and a little more; no codec makes up noise
    of its own at these frequencies."""
    made = np.random.default_rng(3).normal(0, 1, RATE * 3)
    made = np.convolve(made, np.hanning(34)[1:-1] / 16, "same")
    return np.clip(made * 0.8, -1, 1).astype(np.float32)[None]


def make_source(source: SourceKind, folder: Path) -> Path:
    """Writes the film; gives its path."""
    path = folder / f"film.{source.suffix}"
    whole = folder / f"whole.{source.suffix}" if source.cut_s else path
    with usual_priority(), av.open(str(whole), "w") as film:
        video, frames = _frames(film, source)
        packets = [p for frame in (*frames, None) for p in video.encode(frame)]
        if source.sound is not None:
            packets += _sound(film, source)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            film.mux(packet)
    if source.cut_s:
        ffmpeg("-ss", str(source.cut_s), "-i", whole, "-c", "copy", path)
    return path


def _frames(film: Any, source: SourceKind) -> tuple[Any, Sequence[av.VideoFrame]]:
    name, options = ENCODERS[source.codec]
    video = film.add_stream(name, rate=25, options=options | source.options)
    video.width, video.height = source.size
    video.pix_fmt = PIX_FMTS.get(source.codec, "yuv420p")
    base = MILLISECONDS if source.steps_ms else Fraction(1, 25)
    video.time_base = video.codec_context.time_base = base
    if source.rotation:
        video.set_display_rotation(source.rotation)
    frames = []
    for i, at_ms in enumerate(source.times_ms()):
        image = np.full((source.size[1], source.size[0], 3), grey_of(i), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=video.pix_fmt)
        frame.pts, frame.time_base = round(at_ms * MILLISECONDS / base), base
        frames.append(frame)
    return video, frames


def _sound(film: Any, source: SourceKind) -> list[Any]:
    assert source.sound is not None
    stream = film.add_stream(source.sound, rate=RATE, layout="mono")
    wanted = noise()[:, : round((source.times_ms()[-1] / 1000 - source.sound_from_s) * RATE)]
    frame = av.AudioFrame.from_ndarray(wanted, format="fltp", layout="mono")
    frame.sample_rate = RATE
    stream.codec_context.open()
    fifo, at, packets = av.AudioFifo(), round(source.sound_from_s * RATE), []
    for part in av.AudioResampler(stream.format, "mono", RATE).resample(frame):
        part.pts = None
        fifo.write(part)
    while part := fifo.read(stream.codec_context.frame_size or 960, partial=True):
        part.pts, part.time_base = at, Fraction(1, RATE)
        at += part.samples
        packets += stream.encode(part)
    return [*packets, *stream.encode(None)]
