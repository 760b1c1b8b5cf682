"""Video encoders: which of libav's encode here, and what a quality means to each.

None is believed to work because it is there: a GPU's encoder is tried on a few frames first.
"""

import os
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av.error
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from facetrack.core.errors import UsageError
from facetrack.core.settings import EFFORTS
from facetrack.media.priority import usual_priority

CANDIDATES = {
    "h264": ("h264_nvenc", "libx264"),
    "hevc": ("hevc_nvenc", "libx265"),
    "av1": ("av1_nvenc", "libsvtav1"),
    "prores": ("prores_ks",),
}
"""Best first."""
GPU = "_nvenc"

PROBE_SIZE, PROBE_FRAMES = 256, 4


@dataclass(frozen=True)
class Encoding:
    """How clips are written."""

    codec: str = "h264"
    """h264, hevc, av1 or prores."""
    quality: int = 75
    """0 to 100, higher is better; 75 is x264's crf 20, and looks alike with every codec."""
    effort: str = "veryfast"
    """x264's name of a preset: slower makes smaller files of the same quality."""
    wav_rate: int | None = None
    """Samples a second of a mono WAV beside the clip; None: no WAV."""
    gpu: bool = True
    """Whether a GPU may encode, where it can."""


@dataclass(frozen=True)
class Encoder:
    """One of libav's encoders with its options."""

    name: str
    pix_fmt: str
    options: tuple[tuple[str, str], ...]
    tag: str | None = None
    """Of the stream in the file, where the muxer's own choice is not played everywhere."""
    sound: str = "aac"
    instead: "Encoder | None" = None
    """For when a GPU cannot encode one more clip at a time."""


def suffix_of(codec: str) -> str:
    """Of the files of this codec, with the dot."""
    return ".mov" if codec == "prores" else ".mp4"


def choose_encoder(encoding: Encoding) -> Encoder:
    """The first candidate that works.

    Raises:
        UsageError: when this libav has no encoder for the codec.
    """
    os.environ.setdefault("SVT_LOG", "1")  # errors alone: it writes to standard error itself
    candidates = [n for n in CANDIDATES[encoding.codec] if encoding.gpu or not n.endswith(GPU)]
    names = [name for name in candidates if why_not(name) is None]
    if not names:
        reasons = "; ".join(f"{name}: {why_not(name)}" for name in candidates)
        raise UsageError(f"codec {encoding.codec} cannot be encoded here ({reasons})")
    chosen = None
    for name in reversed(names):
        chosen = _with_options(name, encoding, chosen)
    assert chosen is not None
    return chosen


@cache
def why_not(name: str) -> str | None:
    """Why an encoder cannot be used on this machine; None: it has just encoded some frames."""
    try:
        context = CodecContext.create(name, "w")
    except UnknownCodecError:
        return "not in this libav"
    assert isinstance(context, VideoCodecContext)
    encoder = _with_options(name, Encoding(effort="ultrafast"), None)
    context.width = context.height = PROBE_SIZE
    context.pix_fmt = encoder.pix_fmt
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.thread_count = 1
    context.options = dict(encoder.options)
    try:
        with usual_priority():
            context.open()
        packets = 0
        for i in range(PROBE_FRAMES):
            image = VideoFrame(PROBE_SIZE, PROBE_SIZE, encoder.pix_fmt)
            image.pts, image.time_base = i, Fraction(1, 25)
            packets += len(context.encode(image))
        packets += len(context.encode(None))
    except (av.error.FFmpegError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None if packets == PROBE_FRAMES else f"{packets} of {PROBE_FRAMES} pictures came out"


def encoder_states() -> dict[str, str]:
    """Encoder name -> ``yes``, or why not; for ``facetrack doctor``."""
    return {n: why_not(n) or "yes" for names in CANDIDATES.values() for n in names}


def _with_options(name: str, encoding: Encoding, instead: Encoder | None) -> Encoder:
    rank = EFFORTS.index(encoding.effort)
    poor = 100 - encoding.quality
    pix_fmt, tag, sound = "yuv420p", None, "aac"
    options: dict[str, object]
    if name == "libx264":
        options = {"crf": 10 + 0.4 * poor, "preset": encoding.effort}
    elif name == "libx265":
        quiet_alone = "log-level=error:pools=none:frame-threads=1"
        options = {"crf": 11 + 0.4 * poor, "preset": encoding.effort, "x265-params": quiet_alone}
    elif name == "libsvtav1":
        # Presets from 10 on are not meant to be looked at, as the encoder itself says.
        crf = min(63, round(11 + 0.7 * poor))
        options = {"crf": crf, "preset": 9 - rank, "svtav1-params": "lp=1"}
    elif name == "prores_ks":
        profile = ("proxy", "lt", "standard", "hq")[min(3, encoding.quality // 25)]
        options = {"profile": profile, "vendor": "apl0"}
        pix_fmt, sound = "yuv422p10le", "pcm_s16le"
    else:
        options = {"rc": "vbr", "cq": round(14 + 0.4 * poor), "b": 0}
        options["preset"] = f"p{1 + rank * 6 // (len(EFFORTS) - 1)}"
    if encoding.codec == "hevc":
        tag = "hvc1"
    values = tuple((key, str(value)) for key, value in options.items())
    return Encoder(name, pix_fmt, values, tag, sound, instead)
