"""Measures how time and memory grow with the length, the resolution and the number of faces."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from facetrack import api
from facetrack.core.types import Image
from facetrack.media.decode import PyavSource
from facetrack_bench import films
from facetrack_bench.analysis_runs import require_same
from facetrack_bench.worker import in_own_process

LENGTHS = (1, 2, 4, 8)
"""How many times the video is played in a row."""
LENGTH_FRAMES = 600
"""Maximum number of frames that are repeated."""
SIZES = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
SIZE_FRAMES = 100
FACES = (0, 1, 2, 4, 8)
FACES_FRAMES = 60


def growth(video: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures growth on the CPU, from the given video.

    Returns:
        ``length``, ``resolution`` and ``faces``, each a list of measurements; ``faces`` is None
        where the video shows nobody.
    """
    with PyavSource(video) as source:
        fps = source.fps
    with TemporaryDirectory(prefix="facetrack-bench-") as scratch:
        measure = _Measure(Path(scratch) / "film.mp4", fps, say)
        return {
            "video": str(video),
            "length": [measure(f"{n}x", films.repeated(video, LENGTH_FRAMES, n)) for n in LENGTHS],
            "resolution": [
                measure(
                    f"{size[1]}p",
                    map(films.letterboxed, films.first_frames(video, SIZE_FRAMES)),
                    size,
                )
                for size in SIZES
            ],
            "faces": _with_faces(video, Path(scratch), measure),
        }


class _Measure:
    """Encodes a film and analyses it in its own process, once cold and once warm."""

    def __init__(self, film: Path, fps: Fraction, say: Callable[[str], None]) -> None:
        self._film, self._fps, self._say = film, fps, say

    def __call__(
        self, label: str, images: Iterable[Image], size: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        self._say(f"growth: {label}")
        films.write_film(self._film, images, self._fps, size)
        run = in_own_process("analysis", self._film, repeat=1, device="cpu")
        require_same(self._film, [run])
        return {
            "label": label,
            "frames": run["frames"],
            "faces": run["faces"],
            "people": run["people"],
            "cold_seconds": run["cold_s"],
            "warm_seconds": run["warm_s"][0],
            "warm_frames_per_second": round(run["frames"] / run["warm_s"][0], 2),
            "cold_peak_mib": run["cold_peak_mib"],
            "peak_mib": run["peak_mib"],
            "others_cores": run["others_cores"],
        }


def _with_faces(video: Path, scratch: Path, measure: _Measure) -> list[dict[str, Any]] | None:
    analysis = api.analyze(video)
    if not analysis.people:
        return None
    faces = films.longest_face_clip(analysis, scratch, FACES_FRAMES)
    return [
        measure(f"{n} face{'' if n == 1 else 's'}", films.tiled(faces, n, FACES_FRAMES))
        for n in FACES
    ]
