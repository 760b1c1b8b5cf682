"""Settings of the analysis: what is read, detected, tracked, and made one person."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from msgspec import Meta

from facetrack.core.extensions import DETECTORS, EMBEDDERS, TRACKERS, extension_names
from facetrack.core.settings.stage import Stage, setting

Device = Literal["cpu", "cuda", "torch-cpu"]
DEVICES: tuple[Device, ...] = get_args(Device)
DETECTOR_NAMES = ("auto", "mtcnn", "yunet")
RECOGNIZERS = ("sface", "facenet", "vggface2")


@dataclass(frozen=True)
class DecodeSettings(Stage):
    """Which part of the video is read, and how many decoded frames may wait."""

    table = "decode"

    start_s: Annotated[float, Meta(ge=0)] = setting(0.0, "Seconds of the source to skip.")
    duration_s: Annotated[float, Meta(gt=0)] | None = setting(
        None, "Seconds to read from there; unset: to the end."
    )
    video_stream: Annotated[int, Meta(ge=0)] | None = setting(
        None, "Number in the file, from 0, of the video stream to read; unset: the best one."
    )
    audio_stream: Annotated[int, Meta(ge=0)] | None = setting(
        None, "Number in the file, from 0, of the stream that clips take their sound from."
    )
    chunk_frames: Annotated[int, Meta(ge=16)] | None = setting(
        None,
        "Frames of a chunk, at least: the unit of work of all cores; unset: 128 to 320, a 32nd of "
        "the film.",
    )
    deinterlace: Literal["auto", "off"] = setting(
        "auto",
        "auto: interlaced frames are deinterlaced, in clips too; off: they stay as they are.",
    )
    queue_frames: Annotated[int, Meta(ge=1)] = setting(
        512, "Maximum number of decoded frames that wait for detection."
    )
    queue_bytes: Annotated[int, Meta(ge=1)] = setting(
        512 * 2**20, "Maximum size in bytes of the decoded frames that wait."
    )


@dataclass(frozen=True)
class DetectionSettings(Stage):
    """Where the networks run, and how faces are detected."""

    table = "detection"

    device: Device = setting(
        "cpu", "Where the networks run: cpu (OpenVINO), cuda, or torch-cpu (slow, to compare)."
    )
    detector: str = setting(
        "auto",
        "Network that detects faces: mtcnn, yunet, auto (the better one for the device), or one "
        "that an installed package adds.",
    )
    min_face: Annotated[int, Meta(ge=12)] | None = setting(
        None,
        "Side in pixels of the smallest face to detect; unset: a 36th of the frame's shorter "
        "side, 20 or more.",
    )
    pyramid_factor: Annotated[float, Meta(ge=0.1, lt=1)] = setting(
        0.709, "Ratio of one pyramid level to the next."
    )
    pnet_threshold: Annotated[float, Meta(gt=0, lt=1)] | None = setting(
        None, "P-Net score from which a window is a candidate; unset: 0.75, on every frame 0.6."
    )
    rnet_threshold: Annotated[float, Meta(gt=0, lt=1)] = setting(
        0.7, "R-Net score from which a candidate stays."
    )
    onet_threshold: Annotated[float, Meta(gt=0, lt=1)] = setting(
        0.7, "O-Net score from which a candidate is a face."
    )
    dense: bool | None = setting(
        None,
        "true: detect on every frame, MTCNN as facenet-pytorch computes it; false: on key frames, "
        "and between them where faces are expected; unset: true with cuda, where it is faster.",
    )
    key_interval: Annotated[int, Meta(ge=1)] = setting(
        16, "Maximum number of frames from one key frame to the next."
    )

    def _check(self) -> None:
        """The detector is one of ours, or one that an installed package adds."""
        _require_known(self, "detector", DETECTOR_NAMES, DETECTORS)

    @property
    def on_every_frame(self) -> bool:
        """``dense``, or its default for the device when it is unset."""
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


@dataclass(frozen=True)
class TrackingSettings(Stage):
    """When two faces belong to one track, and which tracks are good enough to keep."""

    table = "tracking"

    max_gap: Annotated[int, Meta(ge=0)] = setting(
        12, "Maximum number of frames without a detection that a track bridges."
    )
    min_iou: Annotated[float, Meta(ge=0, le=1)] = setting(
        0.3, "Intersection over union from which a detection may continue a track."
    )
    min_frames: Annotated[int, Meta(ge=0)] = setting(
        8, "Detected frames that a track needs to be kept."
    )
    min_size: Annotated[float, Meta(ge=0)] = setting(
        24.0, "Height in pixels that a track's largest face must reach."
    )
    min_score: Annotated[float, Meta(ge=0, le=1)] = setting(
        0.95, "Median detection score that a track must reach."
    )
    tracker: str = setting(
        "auto",
        "Which tracker joins detections: auto (SORT with appearance), or one that an installed "
        "package adds.",
    )

    def _check(self) -> None:
        """The tracker is ours, or one that an installed package adds."""
        _require_known(self, "tracker", ("auto",), TRACKERS)


@dataclass(frozen=True)
class IdentitySettings(Stage):
    """When two tracks show one person."""

    table = "identity"

    recognizer: str = setting(
        "sface",
        "Network that tells people apart: sface, facenet (InceptionResnetV1), vggface2 (the same "
        "with weights of yours), the path of an ONNX file, or one that an installed package adds.",
    )
    weights: Path | None = setting(None, "Weight file for vggface2 (.pt or .safetensors).")
    faces_per_track: Annotated[int, Meta(ge=1)] = setting(
        8, "Maximum number of a track's faces that are embedded: the best ones."
    )
    probability: Annotated[float, Meta(gt=0, lt=1)] = setting(
        0.5, "Probability from which two tracks are one person, by the recogniser's calibration."
    )
    threshold: Annotated[float, Meta(gt=-1, lt=1)] | None = setting(
        None,
        "Cosine similarity from which two tracks are one person, however good their faces are; "
        "unset: probability decides.",
    )

    def _check(self) -> None:
        """The recogniser is a known one or a file, and has the weights that it needs."""
        if self.recognizer == "casia":  # its name until 0.1
            object.__setattr__(self, "recognizer", "facenet")
        if not self.recognizer.endswith(".onnx"):
            _require_known(
                self, "recognizer", RECOGNIZERS, EMBEDDERS, " or the path of an ONNX file"
            )
        self._require(
            self.recognizer != "vggface2" or self.weights is not None,
            "weights",
            "a checkpoint's path (--weights FILE) when recognizer is vggface2",
        )
        self._require(
            self.recognizer == "vggface2" or self.weights is None,
            "weights",
            f"left out: {self.recognizer} has weights of its own, --weights is for vggface2",
        )


def _require_known(
    stage: Stage, name: str, ours: tuple[str, ...], group: str, more: str = ""
) -> None:
    """Raises ``UsageError`` when the setting is neither one of ours nor a package's."""
    value = getattr(stage, name)
    if value not in ours:  # packages are searched only when they must be
        names = [*ours, *extension_names(group)]
        stage._require(value in names, name, ", ".join(names) + more)
