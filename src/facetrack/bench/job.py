"""``facetrack bench``: measures every video, then writes and shows what came out."""

import json as jsonlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from facetrack.bench import reference
from facetrack.bench.analysis_runs import few_frames_run, summary, warm_shares
from facetrack.bench.chart import draw_chart
from facetrack.bench.disturbance import disturbed
from facetrack.bench.growth import growth
from facetrack.bench.process import in_own_process
from facetrack.bench.report import machine, show, versions
from facetrack.errors import FacetrackError
from facetrack.media.decode import VideoSource
from facetrack.whole_file import whole_file

SCHEMA = "facetrack/bench/1"

Say = Callable[[str], None]


def run_bench(
    videos: Sequence[Path], out: Path, *, growing: bool, repeat: int, json: bool, quiet: bool
) -> int:
    """Writes ``bench.json`` and ``bench.png`` into ``out``; returns the exit code.

    Raises:
        InputError: when a video cannot be read; before anything is measured.
        FacetrackError: when runs on the same input gave different results.
    """
    for video in videos:
        with VideoSource(video):
            pass
    out.mkdir(parents=True, exist_ok=True)
    with _saying(quiet) as say:
        report: dict[str, Any] = {
            "schema": SCHEMA,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": ["facetrack", *sys.argv[1:]],
            "repeat": repeat,
            "machine": machine(),
            "versions": versions(),
            "videos": [_measured(video, repeat, say) for video in videos],
            "growth": growth(videos[0], say) if growing else None,
        }
    with whole_file(out / "bench.png") as path:
        draw_chart(report).save(path, format="PNG")
    with whole_file(out / "bench.json") as path:
        path.write_text(jsonlib.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if json:
        for measured in report["videos"]:
            print(jsonlib.dumps(measured), flush=True)
    elif not quiet:
        show(report, out)
    return 0


def _measured(video: Path, repeat: int, say: Say) -> dict[str, Any]:
    say(f"{video.name}: each stage alone")
    alone = in_own_process("stages", video, repeat=repeat)
    runs, loops, note = [], [], None
    if not reference.installed():
        note = "facenet-pytorch is not installed"
    for share in warm_shares(repeat):  # in turn, so that both meet the same disturbances
        if note is None:
            say(f"{video.name}: the plain facenet-pytorch loop")
            try:
                loops.append(in_own_process("reference", video, frames=alone["frames"]))
            except FacetrackError as error:
                note = f"facenet-pytorch failed: {error}"
        say(f"{video.name}: the whole analysis")
        runs.append(in_own_process("analysis", video, repeat=share))
    say(f"{video.name}: the whole analysis with a short queue")
    analysis = summary(video, runs, few_frames_run(video))
    plain = max(loops, key=lambda loop: loop["frames_per_second"]) if note is None else None
    return {
        "video": str(video),
        **{k: alone[k] for k in ("width", "height", "codec", "fps", "frames", "seconds")},
        "stages": alone["stages"],
        "analysis": analysis,
        "reference": plain,
        "reference_note": note,
        "ratios": _ratios(analysis, plain),
        "disturbed": disturbed(*(run["others_cores"] for run in (alone, *runs, *loops))),
    }


def _ratios(analysis: dict[str, Any], plain: dict[str, Any] | None) -> dict[str, float | None]:
    """How many times as many frames a second as the plain loop."""
    if plain is None:
        return {"cold": None, "warm": None}
    return {
        state: round(analysis[f"{state}_frames_per_second"] / plain["frames_per_second"], 2)
        for state in ("cold", "warm")
    }


@contextmanager
def _saying(quiet: bool) -> Iterator[Say]:
    """Says what is being measured, on a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda line: None
        return
    with console.status("") as status:
        yield status.update
