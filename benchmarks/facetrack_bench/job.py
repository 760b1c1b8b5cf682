"""``facetrack bench``: measures each video, then writes and prints the results."""

import json as jsonlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from facetrack.core.atomic_write import atomic_write
from facetrack.core.environment import hardware, versions
from facetrack.core.errors import FacetrackError
from facetrack.demo import sample_media
from facetrack.media.decode import PyavSource
from facetrack.models.weight_files import cache_folder
from facetrack_bench import reference
from facetrack_bench.analysis_runs import few_frames_run, summary, warm_shares
from facetrack_bench.clips import rendering
from facetrack_bench.cores import scaling
from facetrack_bench.growth import growth
from facetrack_bench.known_film import make_known_film
from facetrack_bench.measuring import disturbed
from facetrack_bench.report import show, show_rendering, show_rivals, show_scaling
from facetrack_bench.rivals import comparison, require_scorer
from facetrack_bench.worker import in_own_process

SCHEMA = "facetrack/bench/1"

NO_CHARTS = "no charts: matplotlib is not installed (pip install matplotlib)"

Say = Callable[[str], None]


def run_bench(
    videos: Sequence[Path],
    out: Path,
    *,
    device: str,
    growing: bool,
    repeat: int,
    json: bool,
    quiet: bool,
) -> int:
    """Measures analyses and their stages; writes ``bench.json`` and charts.

    The charts are ``bench.png`` and, on a GPU, ``overlap.png``. They need matplotlib.

    Args:
        videos: video files to measure.
        out: folder for the results, made where it is missing.
        device: "cpu", "cuda" or "torch-cpu".
        growing: measure growth on the first video too; on the CPU only.
        repeat: warm analyses of each video.
        json: print the entry of each video in ``bench.json`` as a line, and no tables.
        quiet: print no tables and no progress.

    Returns:
        The exit code.

    Raises:
        InputError: when a video cannot be read, before anything is measured.
        FacetrackError: when runs on the same video gave different results.
    """
    _require_readable(videos)
    charts = _can_draw()
    out.mkdir(parents=True, exist_ok=True)
    with _saying(quiet) as say:
        report: dict[str, Any] = {
            **_head(repeat, device),
            "videos": [_measured(video, device, repeat, say) for video in videos],
            "growth": growth(videos[0], say) if growing and device == "cpu" else None,
        }
        if charts and device == "cuda":
            say("what the GPU does at the same time")
            in_own_process("overlap", videos[0], image=str(out / "overlap.png"))
    if charts:
        from facetrack_bench.chart import draw_chart

        with atomic_write(out / "bench.png") as path:
            draw_chart(report, path)
    return _end(report, "videos", lambda _, to: show(report, to), out, json=json, quiet=quiet)


def run_render_bench(
    videos: Sequence[Path], out: Path, *, repeat: int, json: bool, quiet: bool
) -> int:
    """Compares rendering with the ffmpeg program; writes ``bench.json``.

    Args:
        videos: video files to cut clips from.
        out: folder for the results, made where it is missing.
        repeat: runs of each program.
        json: print the entry of each video in ``bench.json`` as a line, and no tables.
        quiet: print no tables and no progress.

    Returns:
        The exit code.

    Raises:
        InputError: when a video cannot be read.
        UsageError: when ffmpeg is not installed.
        FacetrackError: when the clips of both show different frames.
    """
    _require_readable(videos)
    out.mkdir(parents=True, exist_ok=True)
    with _saying(quiet) as say:
        report = {**_head(repeat, "cpu"), "render": [rendering(v, repeat, say) for v in videos]}
    return _end(report, "render", show_rendering, out, json=json, quiet=quiet)


def run_cores_bench(videos: Sequence[Path], out: Path, *, json: bool, quiet: bool) -> int:
    """Measures how the analysis grows with the cores; writes ``bench.json`` and ``cores.png``.

    Args:
        videos: video files to analyse.
        out: folder for the results, made where it is missing.
        json: print the entry of each video in ``bench.json`` as a line, and no tables.
        quiet: print no tables and no progress.

    Returns:
        The exit code.

    Raises:
        InputError: when a video cannot be read.
        FacetrackError: when another number of cores gives another result.
    """
    _require_readable(videos)
    out.mkdir(parents=True, exist_ok=True)
    with _saying(quiet) as say:
        report = {**_head(1, "cpu"), "cores": [scaling(video, say) for video in videos]}
    if _can_draw():
        from facetrack_bench.chart import draw_scaling

        with atomic_write(out / "cores.png") as path:
            draw_scaling(report, path)
    return _end(report, "cores", show_scaling, out, json=json, quiet=quiet)


def run_rivals_bench(
    videos: Sequence[Path], out: Path, *, repeat: int, json: bool, quiet: bool
) -> int:
    """Compares the analysis with loops of other libraries; writes ``bench.json``.

    Args:
        videos: video files to analyse; without one, a film of known people is made in ``out``.
        out: folder for the results, made where it is missing.
        repeat: runs of each program.
        json: print the entry of each video in ``bench.json`` as a line, and no tables.
        quiet: print no tables and no progress.

    Returns:
        The exit code.

    Raises:
        InputError: when a video or its truth cannot be read.
        UsageError: when there is a truth and TrackEval is not installed.
    """
    _require_readable(videos)
    out.mkdir(parents=True, exist_ok=True)
    with _saying(quiet) as say:
        if not videos:
            require_scorer()
            say("making a film of known people")
            videos = [make_known_film(sample_media(cache_folder()), out / "known_people.mp4")]
        report = {**_head(repeat, "cpu"), "rivals": [comparison(v, repeat, say) for v in videos]}
    return _end(report, "rivals", show_rivals, out, json=json, quiet=quiet)


def _require_readable(videos: Sequence[Path]) -> None:
    for video in videos:
        with PyavSource(video):
            pass


def _head(repeat: int, device: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["facetrack", *sys.argv[1:]],
        "repeat": repeat,
        "machine": hardware(device),
        "versions": versions(),
    }


def _can_draw() -> bool:
    """Whether charts can be drawn; says so where they cannot."""
    charts = find_spec("matplotlib") is not None
    if not charts:
        print(f"facetrack: {NO_CHARTS}", file=sys.stderr)
    return charts


def _end(
    report: dict[str, Any],
    measured: str,
    show_tables: Callable[[Sequence[dict[str, Any]], Path], None],
    out: Path,
    *,
    json: bool,
    quiet: bool,
) -> int:
    """Writes ``bench.json`` and prints what was measured; gives the exit code.

    Args:
        report: the content of the file.
        measured: name of its list with an entry for each video.
        show_tables: prints that list, and where the file is.
        out: folder for the file.
        json: print each entry as a line, and no tables.
        quiet: print no tables.
    """
    with atomic_write(out / "bench.json") as path:
        path.write_text(jsonlib.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if json:
        for entry in report[measured]:
            print(jsonlib.dumps(entry), flush=True)
    elif not quiet:
        show_tables(report[measured], out)
    return 0


def _measured(video: Path, device: str, repeat: int, say: Say) -> dict[str, Any]:
    say(f"{video.name}: each stage alone")
    alone = in_own_process("stages", video, repeat=repeat, device=device)
    runs, loops, note = [], [], None
    if not reference.installed():
        note = "facenet-pytorch is not installed"
    for share in warm_shares(repeat):  # takes turns, so that both meet the same disturbances
        if note is None:
            say(f"{video.name}: the plain facenet-pytorch loop")
            try:
                plain_frames = alone["frames"]
                loops.append(in_own_process("reference", video, frames=plain_frames, device=device))
            except FacetrackError as error:
                note = f"facenet-pytorch failed: {error}"
        say(f"{video.name}: the whole analysis")
        runs.append(in_own_process("analysis", video, repeat=share, device=device))
    say(f"{video.name}: the whole analysis with a short queue")
    analysis = summary(video, runs, few_frames_run(video, device))
    plain = max(loops, key=lambda loop: loop["frames_per_second"]) if note is None else None
    return {
        "video": str(video),
        **{k: alone[k] for k in ("width", "height", "codec", "fps", "frames", "seconds")},
        "stages": alone["stages"],
        "analysis": analysis,
        "reference": plain,
        "reference_note": note,
        "ratios": _ratios(analysis, plain, alone["stages"]["decode"]["per_second"]),
        "disturbed": disturbed(*(run["others_cores"] for run in (alone, *runs, *loops))),
    }


def _ratios(
    analysis: dict[str, Any], plain: dict[str, Any] | None, decoded: float
) -> dict[str, float | None]:
    """The analysis' frames per second, divided by those of the plain loop and of decoding alone."""
    warm = analysis["warm_frames_per_second"]
    against_plain = (
        {"cold": None, "warm": None}
        if plain is None
        else {
            state: round(analysis[f"{state}_frames_per_second"] / plain["frames_per_second"], 2)
            for state in ("cold", "warm")
        }
    )
    return {**against_plain, "of_decoding": round(warm / decoded, 3)}


@contextmanager
def _saying(quiet: bool) -> Iterator[Say]:
    """Shows what is being measured, where standard error is a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda line: None
        return
    with console.status("") as status:
        yield status.update
