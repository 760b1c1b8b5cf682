"""The arrays of the networks, read from their weight files.

A missing file is fetched at its first use. Each file is checked by SHA-256 and converted once into
the cache folder; two processes may do so at the same time. A converted copy carries the SHA-256 of
its arrays, which is checked whenever it is loaded: arrays that a disk has damaged still find faces,
and take one person for another.
"""

import hashlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import WeightsError
from facetrack.core.limits import check_limit
from facetrack.models.convert import CONVERTERS, Tensors, folded
from facetrack.models.install import install_weights
from facetrack.models.weight_files import FILES, cache_folder, find, verified_bytes

CONVERSION = 1
"""Version of the converted form; with another version, old cache files are not used."""
UNREADABLE = (OSError, SafetensorError, ValueError, TypeError, LookupError)
"""What reading a damaged copy may raise."""
DIGEST = "sha256"
"""Name of the metadata of a converted copy that hold the SHA-256 of its arrays."""


def tensors(name: str) -> Tensors:
    """The arrays of a weight file, from the cache where it has them.

    A file that is not on this machine is fetched.

    Args:
        name: of ``FILES``.

    Raises:
        WeightsError: when the file cannot be had or is not the expected one.
    """
    file = FILES[name]
    cached = _copy_of(name)
    if (found := _whole(cached)) is not None:
        return found
    if find(file) is None:
        install_weights([name])
    converted = CONVERTERS[name](verified_bytes(file))
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cached) as path:
            save_file(converted, path, {DIGEST: _digest(converted)})
    except (OSError, SafetensorError):
        pass  # without a cache the next process converts again
    return converted


def has_damaged_copy(name: str) -> bool:
    """Whether the converted copy of a weight file is not what was written; ``tensors`` makes it
    again."""
    cached = _copy_of(name)
    return cached.exists() and _whole(cached) is None


def _copy_of(name: str) -> Path:
    """The converted copy of a weight file, which need not exist."""
    return cache_folder() / f"{name}-{FILES[name].sha256[:16]}-{CONVERSION}.safetensors"


def _whole(cached: Path) -> Tensors | None:
    """The arrays of a converted copy; None where it is missing, or differs from what was written.

    SHA-256 takes 25 ms for SFace and 90 ms for InceptionResnetV1 (AMD EPYC, 2026-11-28), beside
    50 and 125 ms for reading them.
    """
    try:
        with safe_open(cached, "numpy") as file:
            written = (file.metadata() or {}).get(DIGEST)
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except UNREADABLE:
        return None
    return found if _digest(found) == written else None


def _digest(arrays: Tensors) -> str:
    """SHA-256 of names, types, shapes and values."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


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
    if path.exists() and not path.is_file():  # a FIFO would be waited for
        raise WeightsError(f"{path} is no regular file")
    if path.exists():
        check_limit(f"{path}: its bytes", "network_bytes", path.stat().st_size, WeightsError)
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
