"""The commands of ``facetrack``."""

from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.calibrate import calibrate
from facetrack.cli.clips import with_clip_options
from facetrack.cli.config import as_toml, load_settings
from facetrack.cli.evaluate import evaluate
from facetrack.cli.export import export, report
from facetrack.cli.gallery import app as gallery_app
from facetrack.cli.options import (
    Debug,
    Detector,
    GalleryFile,
    Json,
    Quiet,
    Recognizer,
    Weights,
    WithGallery,
)
from facetrack.cli.people import app as people_app
from facetrack.cli.weights import app as weights_app
from facetrack.core.environment import facetrack_version
from facetrack.core.settings import Settings

app = typer.Typer(
    help="Who is on screen when, and face-centred clips of the people you choose.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facetrack {facetrack_version()}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.add_typer(people_app, name="people")
app.add_typer(gallery_app, name="gallery")
app.add_typer(weights_app, name="weights")
app.command()(report)

Videos = Annotated[list[Path], typer.Argument(help="Video files.", metavar="VIDEO...")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder; each video gets one in it.")]
Config = Annotated[Path | None, typer.Option(help="TOML file; see `facetrack config`.")]
Start = Annotated[float | None, typer.Option(help="Seconds of the video to skip.")]
Duration = Annotated[float | None, typer.Option(help="Seconds to read from there.")]
Device = Annotated[str | None, typer.Option(help="Where the networks run: cpu, cuda or torch-cpu.")]
Dense = Annotated[
    bool | None,
    typer.Option(
        "--dense/--key-frames",
        help="Whole cascade on every frame (cuda: by itself), or on key frames.",
    ),
]
MinFace = Annotated[int | None, typer.Option(help="Smallest face to look for, pixels.")]
Probability = Annotated[
    float | None,
    typer.Option(help="Probability that makes one person of two tracks, 0 to 1 (by itself 0.5)."),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Cosine that makes one person instead, however good faces are, -1 to 1."),
]
Crops = Annotated[
    Path | None, typer.Option(help="Edited crops.parquet: these clips and no others.")
]
SamePeople = Annotated[
    bool, typer.Option("--same-people", help="One number a person over all videos; people.json.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be made; write nothing.")]


@app.command(cls=WithGallery)
@with_clip_options
def run(
    videos: Videos,
    out: Out = Path("out"),
    config: Config = None,
    start: Start = None,
    duration: Duration = None,
    device: Device = None,
    detector: Detector = None,
    dense: Dense = None,
    min_face: MinFace = None,
    recognizer: Recognizer = None,
    weights: Weights = None,
    probability: Probability = None,
    threshold: Threshold = None,
    gallery: GalleryFile = None,
    same_people: SamePeople = False,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    *,
    clips: dict[str, object],
) -> int:
    """Analyse videos and make clips of the people you choose."""
    from facetrack.cli.job import run_videos

    settings = load_settings(
        config,
        {
            **_analysis_flags(
                start,
                duration,
                device,
                detector,
                dense,
                min_face,
                recognizer,
                weights,
                probability,
                threshold,
            ),
            "clips": clips,
        },
    )
    return run_videos(
        videos, out, settings, clips=True, gallery=gallery, same_people=same_people,
        dry_run=dry_run, json=json, quiet=quiet,
    )  # fmt: skip


@app.command(cls=WithGallery)
def analyze(
    videos: Videos,
    out: Out = Path("out"),
    config: Config = None,
    start: Start = None,
    duration: Duration = None,
    device: Device = None,
    detector: Detector = None,
    dense: Dense = None,
    min_face: MinFace = None,
    recognizer: Recognizer = None,
    weights: Weights = None,
    probability: Probability = None,
    threshold: Threshold = None,
    gallery: GalleryFile = None,
    same_people: SamePeople = False,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Say who is on screen when; no clips."""
    from facetrack.cli.job import run_videos

    settings = load_settings(
        config,
        _analysis_flags(
            start,
            duration,
            device,
            detector,
            dense,
            min_face,
            recognizer,
            weights,
            probability,
            threshold,
        ),
    )
    return run_videos(
        videos, out, settings, clips=False, gallery=gallery, same_people=same_people,
        dry_run=dry_run, json=json, quiet=quiet,
    )  # fmt: skip


@app.command(cls=WithGallery)
@with_clip_options
def render(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that an analysis made.", metavar="FOLDER...")
    ],
    crops: Crops = None,
    config: Config = None,
    gallery: GalleryFile = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    *,
    clips: dict[str, object],
) -> int:
    """Make clips from analyses, without detecting again."""
    from facetrack.cli.job import render_folders

    settings = load_settings(config, {"clips": clips})
    return render_folders(
        folders, settings, crops, gallery=gallery, dry_run=dry_run, json=json, quiet=quiet
    )


@app.command()
def demo(
    out: Out = Path("facetrack-demo"),
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Make a short sample with real people and run the job on it."""
    from facetrack.cli.job import run_videos
    from facetrack.demo import make_sample, sample_media
    from facetrack.models.install import install_weights
    from facetrack.models.weight_files import cache_folder

    install_weights()  # all of them: from now on everything works without a network
    media = sample_media(cache_folder())
    out.mkdir(parents=True, exist_ok=True)
    sample = make_sample(media, out / "sample.mp4")
    settings = load_settings(None, {"clips": {"target": ["all"], "segment_length_s": 10.0}})
    return run_videos([sample], out, settings, clips=True, dry_run=False, json=json, quiet=quiet)


@app.command()
def bench(
    videos: Annotated[
        list[Path] | None,
        typer.Argument(help="Video files; none: the demo's sample.", metavar="[VIDEO...]"),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for bench.json and bench.png.")
    ] = Path("facetrack-bench"),
    growth: Annotated[
        bool, typer.Option(help="Measure growth with length, resolution and faces too.")
    ] = True,
    repeat: Annotated[int, typer.Option(help="Warm analyses of each video.", min=1)] = 3,
    device: Annotated[
        str, typer.Option(help="cpu, cuda or torch-cpu; growth is measured on the cpu alone.")
    ] = "cpu",
    render: Annotated[
        bool,
        typer.Option(
            "--render", help="Measure the writing of clips alone, beside the ffmpeg program."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Measure speed, memory and growth on this machine, beside the plain facenet-pytorch loop."""
    from facetrack.bench.job import run_bench, run_render_bench

    if not videos:
        from facetrack.demo import make_sample, sample_media
        from facetrack.models.weight_files import cache_folder

        media = sample_media(cache_folder())
        out.mkdir(parents=True, exist_ok=True)
        videos = [make_sample(media, out / "sample.mp4")]
    load_settings(None, {"detection": {"device": device}})  # checks the device
    if render:
        return run_render_bench(videos, out, repeat=repeat, json=json, quiet=quiet)
    return run_bench(
        videos, out, device=device, growing=growth, repeat=repeat, json=json, quiet=quiet
    )


app.command()(export)
app.command()(evaluate)
app.command()(calibrate)


@app.command()
def doctor(debug: Debug = False) -> int:
    """Show what this machine has: decoders, encoders, engines, weights."""
    from facetrack.cli.facts import show_machine

    return show_machine()


@app.command("config")
def show_config(debug: Debug = False) -> None:
    """Print every setting with its default and meaning, as a TOML file."""
    typer.echo(as_toml(Settings()), nl=False)


def _analysis_flags(
    start: float | None,
    duration: float | None,
    device: str | None,
    detector: str | None,
    dense: bool | None,
    min_face: int | None,
    recognizer: str | None,
    weights: Path | None,
    probability: float | None,
    threshold: float | None,
) -> dict[str, dict[str, object]]:
    return {
        "decode": {"start_s": start, "duration_s": duration},
        "detection": {
            "device": device,
            "detector": detector,
            "dense": dense,
            "min_face": min_face,
        },
        "identity": {
            "recognizer": recognizer,
            "weights": weights,
            "probability": probability,
            "threshold": threshold,
        },
    }
