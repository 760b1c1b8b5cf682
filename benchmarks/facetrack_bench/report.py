"""Prints the results of the bench as tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from facetrack.cli.terminal import Terminal as Console
from facetrack_bench.measuring import disturbed
from facetrack_bench.rival_loops import LOOPS

STAGES = {
    "decode": "decoding",
    "shots": "finding cuts",
    "pnet": "MTCNN's P-Net",
    "rnet": "MTCNN's R-Net",
    "onet": "MTCNN's O-Net",
    "cascade": "detector on frames",
    "temporal": "faces of all frames",
    "tracker": "tracking",
    "crops": "face crops",
    "embedder": "embedding",
}
WRITERS = {
    "facetrack": "facetrack",
    "ffmpeg": "ffmpeg",
    "ffmpeg_bound": "ffmpeg, core each",
}
GROWTHS = {"length": "length", "resolution": "resolution", "faces": "faces in the frame"}
WARNING = "other programs were at work: do not rely on these figures and ratios"


def show(report: dict[str, Any], out: Path) -> None:
    """Prints the tables of a report, and which files of it are in ``out``."""
    console = Console()
    for video in report["videos"]:
        console.print(_of_video(video))
        if video["disturbed"]:
            console.print(WARNING, style="bold")
    if report["growth"]:
        console.print(_of_growth(report["growth"]))
        if growth_disturbed(report["growth"]):
            console.print(WARNING, style="bold")
    files = " and ".join(name for name in ("bench.json", "bench.png") if (out / name).exists())
    console.print(f"{files} in {out}", highlight=False)


def show_rendering(measured: Sequence[dict[str, Any]], out: Path) -> None:
    """Prints the comparison of rendering with ffmpeg, and where ``bench.json`` is."""
    console = Console()
    for video in measured:
        table = Table(
            title=f"{Path(video['video']).name}: {video['clips']} clips, {video['frames']} frames, "
            f"{video['crop']} to {video['size']} px, PSNR {video['likeness_db']:.1f} dB"
        )
        for column in ("processes", "program", "frames/s", "cores used", "facetrack / program"):
            table.add_column(column, justify="right")
        for row in video["rows"]:
            for name, label in WRITERS.items():
                if name in row:
                    found = row[name]
                    table.add_row(
                        str(row["processes"]),
                        label,
                        f"{found['frames_per_second']:.1f}",
                        f"{found['cores']:.2f}",
                        f"{100 * found['ratio']:.0f} %" if "ratio" in found else "",
                    )
            table.add_section()
        console.print(table)
        console.print(f"two processes: {video['speed_up']:.2f} times as fast as one")
        if disturbed(video["others_cores"]):
            console.print(WARNING, style="bold")
    console.print(f"bench.json in {out}", highlight=False)


def show_scaling(videos: Sequence[dict[str, Any]], out: Path) -> None:
    """Prints how the analysis of each video grows with the cores."""
    console = Console()
    for video in videos:
        runs = video["runs"]
        table = Table(
            title=f"{Path(video['video']).name}: {runs[0]['frames']} frames, "
            f"{runs[0]['chunks']} chunks; the same bits with each number of cores"
        )
        for column in ("cores", "processes", "seconds", "frames/s", "times one core"):
            table.add_column(column, justify="right")
        for run in runs:
            table.add_row(
                str(run["cores"]), str(run["workers"]), f"{run['seconds']:.2f}",
                f"{run['frames_per_second']:.1f}", f"{run['times_one']:.2f}",
            )  # fmt: skip
        console.print(table)
        if any(run["disturbed"] for run in runs):
            console.print(WARNING, style="bold")
    console.print(f"bench.json in {out}", highlight=False)


def show_rivals(videos: Sequence[dict[str, Any]], out: Path) -> None:
    """Prints the comparison with loops of other libraries, and where ``bench.json`` is."""
    console = Console()
    for video in videos:
        table = Table(
            title=f"{Path(video['video']).name}: {video['frames']} frames, "
            f"{video['width']}x{video['height']}; faces and IDF1 in {video['frames_compared']}"
        )
        table.add_column("program", no_wrap=True)
        for column in ("frames/s", "facetrack / program", "faces", "people", "IDF1"):
            table.add_column(column, justify="right")
        for row in video["rows"]:
            table.add_row(*_of_rival(row))
        console.print(table)
        for row in video["rows"]:
            if "note" in row:
                console.print(f"{_label(row)}: {row['note']}", highlight=False)
        if video["disturbed"]:
            console.print(WARNING, style="bold")
    console.print(f"bench.json in {out}", highlight=False)


def title(video: dict[str, Any]) -> str:
    """Title of a video's table and of its chart."""
    found = video["analysis"]
    return (
        f"{Path(video['video']).name}: {video['frames']} frames, "
        f"{video['width']}x{video['height']}, {found['faces']} faces, {found['people']} people"
    )


def growth_disturbed(growth: dict[str, Any]) -> bool:
    """Whether other programs disturbed one of the measurements of growth."""
    return disturbed(*(r["others_cores"] for kind in GROWTHS for r in growth[kind] or []))


def _label(row: dict[str, Any]) -> str:
    loop = LOOPS.get(row["program"])
    return row["program"] if loop is None else loop.label


def _of_rival(row: dict[str, Any]) -> tuple[str, ...]:
    if "note" in row:
        return (_label(row), *5 * ("-",))
    return (
        _label(row),
        f"{row['frames_per_second']:.1f}",
        f"{row['times']:.1f}",
        str(row["faces"]),
        str(row["people"]),
        "-" if row["idf1"] is None else f"{row['idf1']:.3f}",
    )


def _of_video(video: dict[str, Any]) -> Table:
    table = Table(title=title(video))
    table.add_column("what", no_wrap=True)
    for column in ("measured on", "seconds", "per second"):
        table.add_column(column, justify="right")
    table.add_column("remark")
    for name, label in STAGES.items():
        stage = video["stages"].get(name)
        if stage is None:  # MTCNN's networks, on a GPU that runs another detector
            continue
        rate = stage["per_second"]
        row = [f"{stage['count']} {stage['unit']}", f"{stage['seconds']:.3f}"]
        table.add_row(label, *row, "-" if rate is None else f"{rate:.1f}", "")
    table.add_section()
    found = video["analysis"]
    frames = f"{found['frames']} frames"
    table.add_row(
        "whole analysis, cold",
        frames,
        f"{found['cold_seconds']:.3f}",
        f"{found['cold_frames_per_second']:.1f}",
        f"{found['process_seconds']:.2f} s including the start of the process; "
        f"peak {_mib(found['cold_peak_mib'])}",
    )
    table.add_row(
        "whole analysis, warm",
        frames,
        f"{found['warm_seconds_best']:.3f}",
        f"{found['warm_frames_per_second']:.1f}",
        f"median {found['warm_seconds_median']:.3f} s; peak {_mib(found['peak_mib'])}",
    )
    plain = video["reference"]
    if plain is None:
        table.add_row("plain facenet-pytorch loop", "-", "-", "-", video["reference_note"])
    else:
        table.add_row(
            "plain facenet-pytorch loop",
            f"{plain['frames']} frames",
            f"{plain['seconds']:.3f}",
            f"{plain['frames_per_second']:.1f}",
            f"facetrack: {video['ratios']['warm']:.1f} times warm, "
            f"{video['ratios']['cold']:.1f} cold; peak {_mib(plain['peak_mib'])}",
        )
    share = video["ratios"]["of_decoding"]
    table.add_row("warm, compared with decoding alone", "", "", f"{100 * share:.0f} %", "")
    table.add_section()
    table.add_row(
        "same results",
        f"{found['runs_compared']} runs",
        "",
        "",
        f"bit for bit, digest {found['digest'][:12]}",
    )
    return table


def _of_growth(growth: dict[str, Any]) -> Table:
    table = Table(title=f"growth, from {Path(growth['video']).name}")
    table.add_column("film", no_wrap=True)
    for column in (
        "frames",
        "faces",
        "cold s",
        "warm s",
        "fps",
        "cold MiB",
        "warm MiB",
        "others",
    ):
        table.add_column(column, justify="right")
    for kind in GROWTHS:
        for row in growth[kind] or []:
            table.add_row(
                row["label"],
                str(row["frames"]),
                str(row["faces"]),
                f"{row['cold_seconds']:.2f}",
                f"{row['warm_seconds']:.2f}",
                f"{row['warm_frames_per_second']:.1f}",
                "-" if row["cold_peak_mib"] is None else f"{row['cold_peak_mib']:.0f}",
                "-" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}",
                "-" if row["others_cores"] is None else f"{row['others_cores']:.1f}",
            )
        table.add_section()
    return table


def _mib(peak: float | None) -> str:
    return "unknown" if peak is None else f"{peak:.0f} MiB"
