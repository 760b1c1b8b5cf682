"""The arrays of the networks, read from their weight files.

A missing file is fetched at its first use. Each file is checked by SHA-256 and converted once into
the cache folder; two processes may do so at the same time.
"""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import WeightsError
from facetrack.models.convert import CONVERTERS, Tensors, folded
from facetrack.models.install import install_weights
from facetrack.models.weight_files import FILES, cache_folder, find, verified_bytes

CONVERSION = 1
"""Version of the converted form; with another version, old cache files are not used."""


def tensors(name: str) -> Tensors:
    """The arrays of a weight file, from the cache where it has them.

    A file that is not on this machine is fetched.

    Args:
        name: of ``FILES``.

    Raises:
        WeightsError: when the file cannot be had or is not the expected one.
    """
    file = FILES[name]
    cached = cache_folder() / f"{name}-{file.sha256[:16]}-{CONVERSION}.safetensors"
    try:
        return dict(load_file(cached))
    except (OSError, SafetensorError):  # missing or damaged: it is converted again
        pass
    if find(file) is None:
        install_weights([name])
    converted = CONVERTERS[name](verified_bytes(file))
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cached) as path:
            save_file(converted, path)
    except (OSError, SafetensorError):
        pass  # without a cache the next process converts again
    return converted


def checkpoint_tensors(path: Path, names: Tensors) -> Tensors:
    """The arrays of a facenet-pytorch checkpoint, ``.safetensors`` or ``.pt`` (needs torch).

    Args:
        path: the checkpoint.
        names: arrays of the same network; the checkpoint must have their names and shapes.

    Raises:
        WeightsError: when the checkpoint cannot be read or is of another network.
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


def facenet_tensors(path: Path) -> Tensors:
    """The arrays of an InceptionResnetV1 in a facenet-pytorch checkpoint.

    Raises:
        WeightsError: when the checkpoint cannot be read or is of another network.
    """
    return checkpoint_tensors(path, tensors("casia"))


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
    except Exception as error:  # torch raises many types of errors for a bad file
        raise WeightsError(f"{path}: not a readable checkpoint ({type(error).__name__})") from error
