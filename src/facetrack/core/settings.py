"""Every setting, one frozen dataclass a stage; the command line and the TOML file fill these.

The first paragraph of a field's ``help`` is what ``facetrack config`` prints.
"""

from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from facetrack.core.errors import UsageError

DEVICES = ("cpu", "cuda", "torch-cpu")
DETECTORS = ("auto", "mtcnn", "yunet")
RECOGNIZERS = ("sface", "facenet", "vggface2")
MODES = ("single", "each", "split", "grid", "follow")
ZOOMS = ("face", "head", "bust")
CODECS = ("h264", "hevc", "av1", "prores")
EFFORTS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
PRESETS: dict[str, dict[str, Any]] = {
    "talking-head": {
        "target": ("all",),
        "min_length_s": 2.0,
        "fps": "25",
        "quality": 85,
        "data_set": True,
        "wav_rate": 16000,
    },
}
"""Values of ``ClipSettings`` that belong together."""


def setting(default: Any, help: str) -> Any:
    """A dataclass field with its meaning beside its default."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class DecodeSettings:
    """What of the video is read, and how much of it may wait decoded."""

    start_s: float = setting(0.0, "Seconds of the source to skip.")
    duration_s: float | None = setting(None, "Seconds to read from there; unset: to the end.")
    queue_frames: int = setting(512, "Decoded frames that may wait for inference.")
    queue_bytes: int = setting(512 * 2**20, "Bytes of decoded frames that may wait.")

    def __post_init__(self) -> None:
        require(self.start_s >= 0, "start_s", self.start_s, "0 or more")
        require(
            self.duration_s is None or self.duration_s > 0,
            "duration_s",
            self.duration_s,
            "more than 0",
        )
        require(self.queue_frames >= 1, "queue_frames", self.queue_frames, "1 or more")
        require(self.queue_bytes >= 1, "queue_bytes", self.queue_bytes, "1 or more")


@dataclass(frozen=True)
class DetectionSettings:
    """Where and how faces are looked for: MTCNN's thresholds and its pyramid."""

    device: str = setting(
        "cpu", "Where the networks run: cpu (OpenVINO), cuda, or torch-cpu (slow, to compare)."
    )
    detector: str = setting(
        "auto", "Network that finds faces: mtcnn, yunet, or auto: the better one for the device."
    )
    min_face: int | None = setting(
        None,
        "Side in pixels of the smallest face to look for; unset: a 36th of the picture's shorter "
        "side, 20 or more.",
    )
    pyramid_factor: float = setting(0.709, "Ratio of one pyramid level to the next.")
    pnet_threshold: float | None = setting(
        None, "P-Net score from which a window is a candidate; unset: 0.75, on every frame 0.6."
    )
    rnet_threshold: float = setting(0.7, "R-Net score from which a candidate stays.")
    onet_threshold: float = setting(0.7, "O-Net score from which a candidate is a face.")
    dense: bool | None = setting(
        None,
        "Whole cascade on every frame, as facenet-pytorch has it; false: on key frames, and "
        "between them where faces are expected; unset: with cuda, where it is faster.",
    )
    key_interval: int = setting(16, "Frames from one key frame to the next, at most.")

    @property
    def on_every_frame(self) -> bool:
        """``dense``, or what it is where it is unset."""
        return self.device == "cuda" if self.dense is None else self.dense

    @property
    def resolved_detector(self) -> str:
        """``detector``, or what ``auto`` means on the device."""
        if self.detector != "auto":
            return self.detector
        return "yunet" if self.device == "cpu" else "mtcnn"

    @property
    def exact(self) -> bool:
        """Whether MTCNN's cascade runs on every frame, as facenet-pytorch computes it."""
        return self.resolved_detector == "mtcnn" and self.on_every_frame

    def __post_init__(self) -> None:
        require(self.device in DEVICES, "device", self.device, " or ".join(DEVICES))
        wanted = ", ".join(DETECTORS)
        require(self.detector in DETECTORS, "detector", self.detector, wanted)
        require(
            self.min_face is None or self.min_face >= 12, "min_face", self.min_face, "12 or more"
        )
        require(
            0.1 <= self.pyramid_factor < 1,
            "pyramid_factor",
            self.pyramid_factor,
            "from 0.1 to below 1",
        )
        for name in ("pnet_threshold", "rnet_threshold", "onet_threshold"):
            value = getattr(self, name)
            require(value is None or 0 < value < 1, name, value, "between 0 and 1")
        require(self.key_interval >= 1, "key_interval", self.key_interval, "1 or more")


@dataclass(frozen=True)
class TrackingSettings:
    """When two faces are one track, and which tracks are good enough to be somebody."""

    max_gap: int = setting(12, "Frames without a detection that a track may bridge.")
    min_iou: float = setting(0.3, "Overlap from which a detection may continue a track.")
    min_frames: int = setting(8, "Detected frames that a track needs to be kept.")
    min_size: float = setting(24.0, "Largest face height in pixels that a track must reach.")
    min_score: float = setting(0.95, "Median detection score that a track must reach.")


@dataclass(frozen=True)
class IdentitySettings:
    """When two tracks are one person."""

    recognizer: str = setting(
        "sface",
        "Network that tells people apart: sface, facenet (InceptionResnetV1), vggface2 (the same "
        "with weights of yours), or the path of an ONNX file.",
    )
    weights: Path | None = setting(  # noqa: RUF009 - a Path's default is None, nothing is shared
        None, "Weight file for vggface2 (.pt or .safetensors)."
    )
    faces_per_track: int = setting(8, "Best faces of a track that are embedded, at most.")
    probability: float = setting(
        0.5, "Probability from which two tracks are one person, by the recogniser's calibration."
    )
    threshold: float | None = setting(
        None,
        "Cosine similarity from which two tracks are one person, however good their faces are; "
        "unset: probability decides.",
    )

    def __post_init__(self) -> None:
        if self.recognizer == "casia":  # its name until 0.1
            object.__setattr__(self, "recognizer", "facenet")
        require(
            self.recognizer in RECOGNIZERS or self.recognizer.endswith(".onnx"),
            "recognizer",
            self.recognizer,
            f"{', '.join(RECOGNIZERS)}, or the path of an ONNX file",
        )
        if self.recognizer == "vggface2":
            require(
                self.weights is not None,
                "weights",
                self.weights,
                "a checkpoint's path (--weights FILE) when recognizer is vggface2",
            )
        require(self.faces_per_track >= 1, "faces_per_track", self.faces_per_track, "1 or more")
        require(
            0 < self.probability < 1, "probability", self.probability, "more than 0 and below 1"
        )
        wanted = "between -1 and 1"
        require(
            self.threshold is None or -1 < self.threshold < 1, "threshold", self.threshold, wanted
        )


@dataclass(frozen=True)
class ClipSettings:
    """Whom clips show, when, and how they are framed and written."""

    preset: str | None = setting(
        None, "Set of other values to begin with: talking-head. What is set beside it wins."
    )
    target: tuple[str, ...] = setting(
        ("most-frequent",),
        "Whom to show: most-frequent, first, largest, all, numbers, names, or photos' paths.",
    )
    people: Path | None = setting(  # noqa: RUF009 - a Path's default is None, nothing is shared
        None, "TOML file of names: Ada = 2 (a number), or Ada = 'ada.jpg' (a photo beside it)."
    )
    mode: str = setting(
        "each",
        "single: one person; each: every one in clips of their own; split: two in one picture; "
        "grid: up to four; follow: whoever is on screen.",
    )
    aspect: str = setting("1:1", "Width to height of a clip, as 9:16.")
    size: int = setting(512, "Shorter side of a clip in pixels; even, 64 or more.")
    zoom: str = setting("head", "How close: face, head or bust.")
    adaptive: bool = setting(False, "Zoom with the face; false: one size a shot.")
    segment_length_s: float = setting(10.0, "Seconds after which a span is cut into another clip.")
    min_length_s: float = setting(1.0, "Shortest span in seconds; a shorter one is left out.")
    max_gap: int = setting(30, "Frames without the target from which a span is cut.")
    pad_s: float = setting(0.0, "Seconds shown before and after the target is on screen.")
    condense: bool = setting(False, "One clip a target of all its spans, one after the other.")
    speech_only: bool = setting(False, "Only where somebody speaks.")
    cut_at_shots: bool = setting(False, "No clip goes on over a cut of the film.")
    name: str | None = setting(
        None,
        "Clip's file below clips/, without suffix; fields: source, person, name, index, start, "
        "end, mode. Unset: person_{person:02}/person_{person:02}_{index:04}, with several people "
        "in a picture {mode}/{mode}_{index:04}.",
    )
    codec: str = setting("h264", "h264, hevc, av1 or prores.")
    quality: int = setting(75, "0 to 100, higher is better and larger.")
    effort: str = setting("veryfast", "Time the encoder takes to make it small, by x264's names.")
    fps: str | None = setting(None, "Constant frame rate, as 25 or 30000/1001; unset: the film's.")
    debug_overlay: bool = setting(
        False, "The whole picture with boxes, landmarks, ids and the crop drawn into it."
    )
    jobs: int | None = setting(None, "Clips encoded side by side; unset: one a core.")
    data_set: bool = setting(
        False,
        "Clips to train with: of one track and one shot, nobody else's face in them, those that "
        "the settings below ask for, with a manifest.",
    )
    wav_rate: int | None = setting(None, "A mono WAV beside each clip, in samples a second.")
    face_px: int = setting(96, "data_set: height in pixels that the face must have.")
    frontality: float = setting(
        0.4, "data_set: how far the face must look at the camera, 0 (profile) to 1."
    )
    sharpness: float = setting(0.2, "data_set: how sharp the face must be, 0 to 1.")

    def __post_init__(self) -> None:
        for name, values in (
            ("preset", (*PRESETS, None)), ("mode", MODES), ("zoom", ZOOMS), ("codec", CODECS),
            ("effort", EFFORTS),
        ):  # fmt: skip
            wanted = ", ".join(v for v in values if v)
            require(getattr(self, name) in values, name, getattr(self, name), wanted)
        require(bool(self.target), "target", self.target, "somebody")
        require(self.ratio is not None, "aspect", self.aspect, "width:height, from 1:4 to 4:1")
        even = self.size % 2 == 0
        require(64 <= self.size <= 4096 and even, "size", self.size, "even, from 64 to 4096")
        require(self.segment_length_s > 0, "segment_length_s", self.segment_length_s, "more than 0")
        for name in ("min_length_s", "pad_s"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        require(self.max_gap >= 1, "max_gap", self.max_gap, "1 or more")
        require(0 <= self.quality <= 100, "quality", self.quality, "from 0 to 100")
        rate = self.fps is None or self.frame_rate is not None
        require(rate, "fps", self.fps, "frames a second from 1 to 240, as 25 or 30000/1001")
        for name in ("jobs", "wav_rate"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, value, "1 or more")
        alone = self.mode in ("single", "each") and not self.condense
        require(alone or not self.data_set, "mode", self.mode, "each, not condensed, in a data set")
        for name in ("frontality", "sharpness"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "from 0 to 1")

    @property
    def ratio(self) -> Fraction | None:
        """``aspect`` as width / height; None where it says none."""
        parts = self.aspect.split(":")
        if len(parts) != 2 or not all(p.isdecimal() and int(p) for p in parts):
            return None
        ratio = Fraction(int(parts[0]), int(parts[1]))
        return ratio if Fraction(1, 4) <= ratio <= 4 else None

    @property
    def frame_rate(self) -> Fraction | None:
        """``fps`` as a fraction; None where the film's own is wanted."""
        try:
            rate = Fraction(self.fps or "")
        except (ValueError, ZeroDivisionError):
            return None
        return rate if 1 <= rate <= 240 else None


@dataclass(frozen=True)
class Settings:
    """All stages of one run; the tables of the TOML file carry the field names."""

    decode: DecodeSettings = field(default_factory=DecodeSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    clips: ClipSettings = field(default_factory=ClipSettings)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """JSON-ready: table -> field -> value."""
        return {
            stage.name: {
                f.name: _plain(getattr(getattr(self, stage.name), f.name))
                for f in fields(getattr(self, stage.name))
            }
            for stage in fields(self)
        }


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def require(ok: bool, name: str, value: object, wanted: str) -> None:
    """Sees to it that a value makes sense.

    Raises:
        UsageError: when not ``ok``, with the name, the value, and what is wanted.
    """
    if not ok:
        raise UsageError(f"{name} is {value!r}; it must be {wanted}")
