"""Finds the benchmarks, which stand in the checkout and are not part of the wheel."""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit
from urllib.request import url2pathname

import facetrack
from facetrack.core.errors import UsageError

PACKAGE = "facetrack_bench"


def bench_job() -> ModuleType:
    """The module ``facetrack_bench.job``, from the import path or from facetrack's checkout.

    Raises:
        UsageError: when there is no checkout.
    """
    if find_spec(PACKAGE) is None:
        folder = next((f for f in _folders() if (f / PACKAGE / "__init__.py").is_file()), None)
        if folder is None:
            raise UsageError(
                "the benchmarks are not part of the wheel; install facetrack from a checkout "
                "and keep that folder: pip install -e '.[bench]'"
            )
        sys.path.append(str(folder))
    return import_module(f"{PACKAGE}.job")


def _folders() -> Iterator[Path]:
    """Where ``benchmarks`` may be: beside ``src``, or in the folder that pip installed from."""
    yield Path(facetrack.__file__).parents[2] / "benchmarks"
    try:
        origin = distribution("facetrack").read_text("direct_url.json")  # PEP 610
    except PackageNotFoundError:  # run from the sources, not installed
        return
    url = urlsplit(json.loads(origin)["url"]) if origin else None
    if url is not None and url.scheme == "file":
        yield Path(url2pathname(url.path)) / "benchmarks"
