"""Every setting, one frozen dataclass a stage; the command line and the TOML file fill these.

The first paragraph of a field's ``help`` is what ``facetrack config`` prints.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from facetrack.errors import UsageError

DEVICES = ("cpu", "cuda", "torch-cpu")


def setting(default: Any, help: str) -> Any:
    """A dataclass field with its meaning beside its default."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class DecodeSettings:
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
    device: str = setting(
        "cpu", "Where the networks run: cpu (OpenVINO), cuda, or torch-cpu (slow, to compare)."
    )
    min_face: int | None = setting(
        None,
        "Side in pixels of the smallest face to look for; unset: a 36th of the picture's shorter "
        "side, 20 or more.",
    )
    pyramid_factor: float = setting(0.709, "Ratio of one pyramid level to the next.")
    pnet_threshold: float | None = setting(
        None, "P-Net score from which a window is a candidate; unset: 0.75, with dense 0.6."
    )
    rnet_threshold: float = setting(0.7, "R-Net score from which a candidate stays.")
    onet_threshold: float = setting(0.7, "O-Net score from which a candidate is a face.")
    dense: bool = setting(
        False,
        "Whole cascade in float32 on every frame, as facenet-pytorch has it; false: on key frames, "
        "and between them where faces are expected.",
    )
    key_interval: int = setting(16, "Frames from one key frame to the next, at most.")

    def __post_init__(self) -> None:
        require(self.device in DEVICES, "device", self.device, " or ".join(DEVICES))
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
    max_gap: int = setting(12, "Frames without a detection that a track may bridge.")
    min_iou: float = setting(0.3, "Overlap from which a detection may continue a track.")
    min_frames: int = setting(8, "Detected frames that a track needs to be kept.")
    min_size: float = setting(24.0, "Largest face height in pixels that a track must reach.")
    min_score: float = setting(0.95, "Median detection score that a track must reach.")


@dataclass(frozen=True)
class IdentitySettings:
    recognizer: str = setting("casia", "Embedding network: casia (comes along) or vggface2.")
    weights: Path | None = setting(  # noqa: RUF009 - a Path's default is None, nothing is shared
        None, "Weight file for vggface2 (.pt or .safetensors)."
    )
    faces_per_track: int = setting(8, "Best faces of a track that are embedded, at most.")
    threshold: float = setting(0.40, "Cosine similarity from which two tracks are one person.")

    def __post_init__(self) -> None:
        require(
            self.recognizer in ("casia", "vggface2"),
            "recognizer",
            self.recognizer,
            "casia or vggface2",
        )
        if self.recognizer == "vggface2":
            require(
                self.weights is not None,
                "weights",
                self.weights,
                "a checkpoint's path (--weights FILE) when recognizer is vggface2",
            )
        require(self.faces_per_track >= 1, "faces_per_track", self.faces_per_track, "1 or more")
        require(-1 < self.threshold < 1, "threshold", self.threshold, "between -1 and 1")


@dataclass(frozen=True)
class ClipSettings:
    target: str = setting(
        "most-frequent", "Whom to show: most-frequent, first, largest, all, or a person's number."
    )
    size: int = setting(512, "Width and height of a clip in pixels; even, 64 or more.")
    segment_length_s: float = setting(10.0, "Seconds after which a span is cut into another clip.")
    min_length_s: float = setting(1.0, "Shortest clip in seconds; a shorter rest is dropped.")
    max_gap: int = setting(30, "Frames without the target from which a span is cut.")
    zoom: float = setting(2.0, "Side of the crop in face heights.")
    crf: int = setting(20, "x264 quality: 0 best to 51 worst.")
    preset: str = setting("veryfast", "x264 preset: ultrafast to veryslow.")
    jobs: int | None = setting(None, "Clips encoded side by side; unset: one a core.")

    def __post_init__(self) -> None:
        require(
            self.size >= 64 and self.size % 2 == 0,
            "size",
            self.size,
            "an even number of pixels, 64 or more",
        )
        require(self.size <= 4096, "size", self.size, "4096 or less")
        require(self.segment_length_s > 0, "segment_length_s", self.segment_length_s, "more than 0")
        require(self.min_length_s >= 0, "min_length_s", self.min_length_s, "0 or more")
        require(self.max_gap >= 1, "max_gap", self.max_gap, "1 or more")
        require(self.zoom >= 1, "zoom", self.zoom, "1 or more")
        require(0 <= self.crf <= 51, "crf", self.crf, "0 to 51")
        require(self.jobs is None or self.jobs >= 1, "jobs", self.jobs, "1 or more")


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
                f.name: str(v)
                if isinstance(v := getattr(getattr(self, stage.name), f.name), Path)
                else v
                for f in fields(getattr(self, stage.name))
            }
            for stage in fields(self)
        }


def require(ok: bool, name: str, value: object, wanted: str) -> None:
    if not ok:
        raise UsageError(f"{name} is {value!r}; it must be {wanted}")
