import gc
from collections.abc import Sequence
from pathlib import Path

import pytest

from facetrack import api
from facetrack.core.settings import DetectionSettings, Settings
from facetrack.media.frame_image import FrameImage
from facetrack.pipeline.engine import Engine
from facetrack.testing import FakeDetector, FakeEmbedder
from made.media import make_video

DENSE = Settings(detection=DetectionSettings(dense=True))


class FailingDetector(FakeDetector):
    """Fails at its first frames."""

    def detect(self, images: Sequence[FrameImage]):
        raise ZeroDivisionError


def open_films() -> int:
    """Number of films that are open in this process."""
    return sum(type(o).__name__ == "InputContainer" for o in gc.get_objects())


@pytest.mark.parametrize("damage", ["detector", "packet"])
def test_an_analysis_keeps_no_film_open(tmp_path: Path, damage: str):
    """Also when it ends with an error, and before Python looks for garbage."""
    film = tmp_path / "a.mp4"
    make_video(film, frames=60, options={"g": "12"})
    detector = FailingDetector() if damage == "detector" else FakeDetector()
    if damage == "packet":
        data = bytearray(film.read_bytes())
        frames = slice(len(data) // 3, len(data) // 2, 3)
        data[frames] = bytes(len(data[frames]))
        film.write_bytes(data)
    before = open_films()
    gc.disable()
    try:
        try:
            api.analyze(film, DENSE, engine=Engine("fake", detector, FakeEmbedder()))
        except ZeroDivisionError:
            assert damage == "detector"
        assert open_films() == before
    finally:
        gc.enable()
