"""A recogniser that the user brings as an ONNX file, and what is known of it in a file beside it.

``facetrack calibrate PHOTOS --recognizer FILE.onnx`` writes ``FILE.json``: how crops are made and
fed to the network, and how far its cosines can be trusted. Without it a cosine says nothing.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facetrack.core.atomic_write import write_json
from facetrack.core.errors import WeightsError
from facetrack.recognition.calibration import Calibration, finite
from facetrack.recognition.embedder import CropSpec
from facetrack.recognition.recognizers import Recognizer

SCHEMA = "facetrack/recognizer/1"
MOST_NUMBERS = 4096
"""Of an embedding, and of a crop's side."""


@dataclass(frozen=True)
class NetworkInput:
    """What the network does not do to pixels itself."""

    mean: float
    """Is subtracted from values of 0 to 255,"""
    scale: float
    """then this is multiplied."""
    bgr: bool
    """Whether it wants blue first."""


@dataclass(frozen=True)
class OnnxRecognizer(Recognizer):
    """A ``Recognizer`` that an ONNX file holds."""

    input: NetworkInput = NetworkInput(127.5, 1 / 127.5, False)


def onnx_recognizer(file: Path) -> OnnxRecognizer:
    """What ``FILE.json`` says of ``FILE.onnx``.

    Raises:
        WeightsError: when one of the two is missing or unreadable, or they do not belong together.
    """
    beside = file.with_suffix(".json")
    if not file.is_file():
        raise WeightsError(f"{file}: no such file")
    if not beside.is_file():
        raise WeightsError(
            f"{beside}: missing; make it from labelled photos with: "
            f"facetrack calibrate PHOTOS --recognizer {file}"
        )
    try:
        stored = json.loads(beside.read_text("utf-8"))
        if stored["schema"] != SCHEMA:
            raise ValueError(f"its schema is {stored['schema']!r}, not {SCHEMA}")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if stored["sha256"] != digest:
            raise ValueError(f"it was made for another file than {file.name}")
        return OnnxRecognizer(
            name=name_of(file, digest),
            crop=_crop(stored["crop"]),
            dim=_whole(stored["dim"], "dim", MOST_NUMBERS),
            calibration=Calibration.from_dict(stored["calibration"]),
            file=file,
            input=_input(stored["input"]),
        )
    except (OSError, ValueError) as error:
        raise WeightsError(f"{beside}: not a readable calibration ({error})") from error
    except (LookupError, TypeError) as error:
        raise WeightsError(
            f"{beside}: not a readable calibration (a part is missing); make it again with: "
            f"facetrack calibrate PHOTOS --recognizer {file}"
        ) from error


def _crop(stored: dict[str, Any]) -> CropSpec:
    crop = CropSpec(_whole(stored["size"], "crop: size", MOST_NUMBERS), stored["aligned"] is True)
    if crop.aligned != (crop.size == 112):
        raise ValueError(f"crop: {crop.size} pixels, aligned {crop.aligned}; aligned ones have 112")
    return crop


def _input(stored: dict[str, Any]) -> NetworkInput:
    mean, scale = (finite(stored[name], f"input: {name}") for name in ("mean", "scale"))
    if scale <= 0:
        raise ValueError(f"input: scale is {scale}; it must be more than 0")
    return NetworkInput(mean, scale, stored["bgr"] is True)


def _whole(value: object, name: str, most: int) -> int:
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name} is {value!r}; it must be from 1 to {most}")
    return value


def write_recognizer(recognizer: OnnxRecognizer, out: Path | None = None) -> Path:
    """Writes ``FILE.json`` beside the recogniser's file, or ``out``; says where."""
    assert recognizer.file is not None
    stored: dict[str, Any] = {
        "schema": SCHEMA,
        "sha256": hashlib.sha256(recognizer.file.read_bytes()).hexdigest(),
        "crop": asdict(recognizer.crop),
        "dim": recognizer.dim,
        "input": asdict(recognizer.input),
        "calibration": recognizer.calibration.to_dict(),
    }
    beside = out or recognizer.file.with_suffix(".json")
    write_json(beside, json.dumps(stored, indent=1) + "\n")
    return beside


def name_of(file: Path, digest: str) -> str:
    """The recogniser's name: the file's, and the beginning of its SHA-256."""
    return f"{file.stem}-{digest[:8]}"
