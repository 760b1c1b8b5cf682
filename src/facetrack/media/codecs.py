"""Video encoders: which of libav's work on this machine, and what a quality means to each.

An encoder that is present may still fail, as a GPU's does without its driver. So each is tried on
a few frames before it is chosen.
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
"""Codec -> libav's encoders, best first."""
GPU = "_nvenc"
"""Suffix of the encoders that run on a GPU."""

PROBE_SIZE, PROBE_FRAMES = 256, 4
"""Width and height in pixels, and number, of the frames that an encoder is tried on."""


@dataclass(frozen=True)
class Encoding:
    """The user's choices of how clips are encoded."""

    codec: str = "h264"
    """h264, hevc, av1 or prores."""
    quality: int = 75
    """0 to 100, higher is better; 75 is x264's crf 20, and looks about the same in every codec."""
    effort: str = "veryfast"
    """Name of an x264 preset: a slower one makes smaller files of the same quality."""
    wav_rate: int | None = None
    """Samples a second of the mono WAV written beside the clip; None: no WAV."""
    gpu: bool = True
    """Whether a GPU's encoder may be used where it works."""
    hdr: bool = False
    """Whether HDR is kept, with 10 bits a sample; not with h264."""


@dataclass(frozen=True)
class Encoder:
    """One of libav's encoders with its options."""

    name: str
    pix_fmt: str
    options: tuple[tuple[str, str], ...]
    tag: str | None = None
    """Codec tag of the stream, where the muxer's own choice is not played everywhere."""
    sound: str = "aac"
    """libav's name of the audio encoder."""
    keeps_hdr: bool = False
    """Whether clips of a source in HDR are in HDR."""
    instead: "Encoder | None" = None
    """Used when this encoder cannot open: a GPU encodes a limited number of clips at a time."""


def suffix_of(codec: str) -> str:
    """File suffix for a codec, with the dot."""
    return ".mov" if codec == "prores" else ".mp4"


def choose_encoder(encoding: Encoding) -> Encoder:
    """The first of the codec's ``CANDIDATES`` that works on this machine.

    Raises:
        UsageError: when no encoder for the codec works; the message says why for each.
    """
    os.environ.setdefault("SVT_LOG", "1")  # errors only: SVT-AV1 writes to standard error itself
    gpu = encoding.gpu and not encoding.hdr  # GPUs take 10 bits in no planar format
    candidates = [n for n in CANDIDATES[encoding.codec] if gpu or not n.endswith(GPU)]
    names = [name for name in candidates if why_unusable(name) is None]
    if not names:
        reasons = "; ".join(f"{name}: {why_unusable(name)}" for name in candidates)
        raise UsageError(f"codec {encoding.codec} cannot be encoded here ({reasons})")
    chosen = None
    for name in reversed(names):
        chosen = _with_options(name, encoding, chosen)
    assert chosen is not None
    return chosen


@cache
def why_unusable(name: str) -> str | None:
    """Why an encoder cannot be used on this machine; None where it encoded the trial frames."""
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
    return None if packets == PROBE_FRAMES else f"{packets} of {PROBE_FRAMES} frames came out"


def _with_options(name: str, encoding: Encoding, instead: Encoder | None) -> Encoder:
    rank = EFFORTS.index(encoding.effort)
    poor = 100 - encoding.quality
    pix_fmt, tag, sound = "yuv420p", None, "aac"
    options: dict[str, object]
    if name == "libx264":
        options = {"crf": 10 + 0.4 * poor, "preset": encoding.effort}
    elif name == "libx265":
        on_one_thread = "log-level=error:pools=none:frame-threads=1"
        options = {"crf": 11 + 0.4 * poor, "preset": encoding.effort, "x265-params": on_one_thread}
    elif name == "libsvtav1":
        # SVT-AV1 says itself that presets from 10 on are not meant for viewing.
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
    if encoding.hdr and pix_fmt == "yuv420p":
        pix_fmt = "yuv420p10le"
    values = tuple((key, str(value)) for key, value in options.items())
    return Encoder(name, pix_fmt, values, tag, sound, encoding.hdr, instead)
