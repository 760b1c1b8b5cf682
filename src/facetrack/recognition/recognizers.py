"""The recognisers that a run can choose: crop, length of an embedding, calibration, weights.

Three come with the product. A fourth kind is a file of the user's: ``FILE.onnx`` holds the network
and ``FILE.json`` beside it, which ``facetrack calibrate PHOTOS --recognizer FILE.onnx`` writes,
says how crops are made, how pixels are fed to the network, and what its cosines mean.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facetrack.core.atomic_write import write_json
from facetrack.core.errors import InputError, WeightsError
from facetrack.core.extensions import EMBEDDERS, open_extension
from facetrack.core.limits import check_limit, limits
from facetrack.core.received_files import json_of, read_given
from facetrack.core.settings import RECOGNIZERS, IdentitySettings
from facetrack.recognition.calibration import FACENET, SFACE, Calibration, finite
from facetrack.recognition.embedder import CropSpec, Embedder

ALIGNED_112 = CropSpec(size=112, aligned=True)
BOX_160 = CropSpec(size=160, aligned=False)

SCHEMA = "facetrack/recognizer/1"
MAX_SIDE = MAX_DIM = 4096
"""Largest side of a crop and largest embedding that ``FILE.json`` may ask for."""


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


@dataclass(frozen=True)
class NetworkInput:
    """How pixels of 0 to 255 are changed before the network: ``(value - mean) * scale``."""

    mean: float
    scale: float
    bgr: bool
    """True: the network takes blue first."""


@dataclass(frozen=True)
class OnnxRecognizer(Recognizer):
    """A recogniser that an ONNX file holds."""

    input: NetworkInput = NetworkInput(127.5, 1 / 127.5, False)


def is_added(identity: IdentitySettings) -> bool:
    """Whether an installed package adds the recogniser: the settings have let no other name pass,
    so that packages need not be searched again."""
    name = identity.recognizer
    return name not in RECOGNIZERS and not name.endswith(".onnx")


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
    if is_added(identity):
        embedder: Embedder = open_extension(EMBEDDERS, identity.recognizer, identity)
        return Recognizer(embedder.name, embedder.crop, embedder.dim, embedder.calibration)
    return onnx_recognizer(Path(identity.recognizer))


def onnx_recognizer(file: Path) -> OnnxRecognizer:
    """The recogniser of ``FILE.onnx``, as ``FILE.json`` describes it.

    Raises:
        WeightsError: when one of the two is missing or unreadable, or the JSON is of another file.
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
        stored = json_of(read_given(beside, limits().text_bytes))
        if stored["schema"] != SCHEMA:
            raise ValueError(f"its schema is {stored['schema']!r}, not {SCHEMA}")
        digest = hashlib.sha256(network_bytes(file)).hexdigest()
        if stored["sha256"] != digest:
            raise ValueError(f"it was made for another file than {file.name}")
        return OnnxRecognizer(
            name=onnx_name(file, digest),
            crop=_crop(stored["crop"]),
            dim=_whole(stored["dim"], "dim", MAX_DIM),
            calibration=Calibration.from_dict(stored["calibration"]),
            file=file,
            input=_input(stored["input"]),
        )
    except (OSError, ValueError, ArithmeticError, InputError) as error:
        raise WeightsError(f"{beside}: not a readable calibration ({error})") from error
    except (LookupError, TypeError) as error:
        raise WeightsError(
            f"{beside}: not a readable calibration (a part is missing); make it again with: "
            f"facetrack calibrate PHOTOS --recognizer {file}"
        ) from error


def network_bytes(file: Path) -> bytes:
    """A network that the user named.

    Raises:
        WeightsError: when it is no regular file, or larger than ``limits.network_bytes``.
        OSError: when it is missing or cannot be read.
    """
    try:
        check_limit(f"{file}: its bytes", "network_bytes", file.stat().st_size, WeightsError)
        return read_given(file, limits().network_bytes)
    except InputError as error:
        raise WeightsError(str(error)) from error


def write_recognizer(recognizer: OnnxRecognizer, out: Path | None = None) -> Path:
    """Writes ``FILE.json`` beside the recogniser's file, or to ``out``.

    Returns:
        The path that was written.
    """
    assert recognizer.file is not None
    stored: dict[str, Any] = {
        "schema": SCHEMA,
        "sha256": hashlib.sha256(network_bytes(recognizer.file)).hexdigest(),
        "crop": asdict(recognizer.crop),
        "dim": recognizer.dim,
        "input": asdict(recognizer.input),
        "calibration": recognizer.calibration.to_dict(),
    }
    beside = out or recognizer.file.with_suffix(".json")
    write_json(beside, json.dumps(stored, indent=1) + "\n")
    return beside


def onnx_name(file: Path, digest: str) -> str:
    """The recogniser's name: the file's name and the first digits of its SHA-256."""
    return f"{file.stem}-{digest[:8]}"


def _crop(stored: dict[str, Any]) -> CropSpec:
    crop = CropSpec(_whole(stored["size"], "crop: size", MAX_SIDE), stored["aligned"] is True)
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
