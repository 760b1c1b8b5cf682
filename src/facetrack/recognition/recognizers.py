"""The recognisers that the product knows: their crops, dimensions and calibrations."""

from dataclasses import dataclass
from pathlib import Path

from facetrack.core.extensions import EMBEDDERS, extension_names, open_extension
from facetrack.core.settings import IdentitySettings
from facetrack.recognition.calibration import FACENET, SFACE, Calibration
from facetrack.recognition.embedder import CropSpec, Embedder

ALIGNED_112 = CropSpec(size=112, aligned=True)
BOX_160 = CropSpec(size=160, aligned=False)


@dataclass(frozen=True)
class Recognizer:
    """What is known of a recogniser before its network is opened."""

    name: str
    """As ``Embedder.name``."""
    crop: CropSpec
    dim: int
    calibration: Calibration
    file: Path | None = None
    """Weights that the user named; None: they come with the product."""


def recognizer_of(identity: IdentitySettings) -> Recognizer:
    """The recogniser that the settings name.

    Raises:
        WeightsError: when a file of the user's, or its calibration, is missing or unreadable.
    """
    if identity.recognizer == "sface":
        return Recognizer("sface", ALIGNED_112, 128, SFACE)
    if identity.recognizer == "facenet":
        return Recognizer("facenet", BOX_160, 512, FACENET)
    if identity.recognizer == "vggface2":
        return Recognizer("vggface2", BOX_160, 512, FACENET, identity.weights)
    if identity.recognizer in extension_names(EMBEDDERS):
        embedder: Embedder = open_extension(EMBEDDERS, identity.recognizer, identity)
        return Recognizer(embedder.name, embedder.crop, embedder.dim, embedder.calibration)
    from facetrack.recognition.onnx_recognizer import onnx_recognizer  # it builds on this module

    return onnx_recognizer(Path(identity.recognizer))
