"""``facetrack analyze`` over a folder of films, and what its output folder holds."""

from pathlib import Path

from facetrack.api.verify import verify
from facetrack.jobs.table import WORK
from facetrack.timeline import Analysis

CONFIG = """
[decode]
chunk_frames = 48
"""


def command(films: Path, out: Path, *more: str) -> list[str]:
    """Arguments; the folder of films holds ``config.toml``, which is ``CONFIG``."""
    config = str(films / "config.toml")
    return ["analyze", str(films), "-o", str(out), "--config", config, "--jobs", "2", "-q", *more]


def results(out: Path) -> dict[str, object]:
    """What each result says of its video, by its folder; every file is as it was written."""
    found: dict[str, object] = {}
    for folder in sorted(p for p in out.iterdir() if p.name != WORK):
        analysis = Analysis.load(folder)
        found[folder.name] = (
            analysis.info.path, analysis.faces.to_pydict(), analysis.people, analysis.tracks,
            analysis.shots, {track: v.tobytes() for track, v in analysis.embeddings.items()},
        )  # fmt: skip
        assert not verify(folder).findings
    return found
