"""The commands of ``facetrack``; each parses its options and calls the library."""

from pathlib import Path
from typing import Annotated, Any

import typer

from facetrack.cli.calibrate import calibrate
from facetrack.cli.config import as_toml, load_settings
from facetrack.cli.evaluate import evaluate
from facetrack.cli.export import export, report
from facetrack.cli.gallery import app as gallery_app
from facetrack.cli.numbers import bytes_of, gpus_of, jobs_of, ray_of
from facetrack.cli.options import (
    AllowPlaylists,
    AllowUrls,
    Debug,
    GalleryFile,
    Json,
    Quiet,
    WithGallery,
)
from facetrack.cli.people import app as people_app
from facetrack.cli.setting_options import ANALYSIS, CLIPS, RENDERED, with_options
from facetrack.cli.verify import verify
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

Videos = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Video files; folders: all videos in them; -: a list from standard input.",
        metavar="VIDEO...",
        show_default=False,
    ),
]
Lists = Annotated[
    list[Path] | None,
    typer.Option("--list", help="File with the path of a video in each line.", show_default=False),
]
Glob = Annotated[
    str | None,
    typer.Option(
        help="Which files of a folder: a pattern of names, as '*.mp4'.", show_default=False
    ),
]
Jobs = Annotated[
    str,
    typer.Option(
        help="Worker processes: a number, with --device cuda for each GPU; or auto for one a core."
    ),
]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor", help="What does the analysis: auto (this computer), or ray (a Ray cluster)."
    ),
]
RayAddress = Annotated[
    str,
    typer.Option(help="Of the Ray cluster, as HOST:6379; local: a Ray that runs here."),
]
Gpus = Annotated[
    str | None,
    typer.Option(help="GPUs that work with --device cuda, as 0,1.", show_default=False),
]
Memory = Annotated[
    str | None,
    typer.Option(
        help="Memory of all workers together, as 8G; by default half of what is available.",
        show_default=False,
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Do again what is done already.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder; each video gets a folder in it.")]
Config = Annotated[Path | None, typer.Option(help="TOML file; see `facetrack config`.")]
Given = dict[str, dict[str, Any]]
"""Settings that options give: table -> name -> value."""
Crops = Annotated[Path | None, typer.Option(help="Edited crops.parquet: makes exactly its clips.")]
SamePeople = Annotated[
    bool,
    typer.Option(
        "--same-people",
        help="The same person has the same number in all videos; writes people.json.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be made; write nothing.")]


@app.command(cls=WithGallery)
@with_options({**ANALYSIS, **CLIPS})
def run(
    videos: Videos = None,
    out: Out = Path("out"),
    config: Config = None,
    lists: Lists = None,
    glob: Glob = None,
    gallery: GalleryFile = None,
    same_people: SamePeople = False,
    jobs: Jobs = "auto",
    executor: ExecutorName = "auto",
    ray_address: RayAddress = "local",
    gpus: Gpus = None,
    memory: Memory = None,
    again: Again = False,
    dry_run: DryRun = False,
    allow_urls: AllowUrls = False,
    allow_playlists: AllowPlaylists = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    *,
    given: Given,
) -> int:
    """Analyse videos and make clips of the people you choose."""
    from facetrack.cli.inputs import all_videos
    from facetrack.cli.run import RunOptions, run_videos

    if (workers := jobs_of(jobs)) is not None:
        given["clips"]["jobs"] = workers
    settings = load_settings(config, given)
    options = RunOptions(
        clips=True, gallery=gallery, same_people=same_people, jobs=workers,
        ray_address=ray_of(executor, ray_address),
        gpus=gpus_of(gpus), memory_bytes=bytes_of(memory), again=again, dry_run=dry_run,
        json=json, quiet=quiet,
    )  # fmt: skip
    return run_videos(all_videos(videos or [], lists or [], glob), out, settings, options)


@app.command(cls=WithGallery)
@with_options(ANALYSIS)
def analyze(
    videos: Videos = None,
    out: Out = Path("out"),
    config: Config = None,
    lists: Lists = None,
    glob: Glob = None,
    gallery: GalleryFile = None,
    same_people: SamePeople = False,
    jobs: Jobs = "auto",
    executor: ExecutorName = "auto",
    ray_address: RayAddress = "local",
    gpus: Gpus = None,
    memory: Memory = None,
    again: Again = False,
    dry_run: DryRun = False,
    allow_urls: AllowUrls = False,
    allow_playlists: AllowPlaylists = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    *,
    given: Given,
) -> int:
    """Analyse videos: who is on screen when. Makes no clips."""
    from facetrack.cli.inputs import all_videos
    from facetrack.cli.run import RunOptions, run_videos

    settings = load_settings(config, given)
    options = RunOptions(
        clips=False, gallery=gallery, same_people=same_people, jobs=jobs_of(jobs),
        ray_address=ray_of(executor, ray_address),
        gpus=gpus_of(gpus), memory_bytes=bytes_of(memory), again=again, dry_run=dry_run,
        json=json, quiet=quiet,
    )  # fmt: skip
    return run_videos(all_videos(videos or [], lists or [], glob), out, settings, options)


@app.command()
def status(
    out: Annotated[Path, typer.Argument(help="Folder that `run` wrote to.", metavar="OUT")],
    json: Json = False,
    debug: Debug = False,
) -> int:
    """What is done in an output folder, what is in work, and what went wrong."""
    from facetrack.cli.status import show_status

    return show_status(out, json)


@app.command(cls=WithGallery)
@with_options(RENDERED)
def render(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that an analysis made.", metavar="FOLDER...")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Folder for these clips; each video gets a folder in it. By default the clips lie "
            "beside those of other renders.",
            show_default=False,
        ),
    ] = None,
    crops: Crops = None,
    video: Annotated[
        Path | None,
        typer.Option(
            help="Where the video is now. By default it is looked for at its old place, in the "
            "folder, and in those above it.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    gallery: GalleryFile = None,
    jobs: Jobs = "auto",
    dry_run: DryRun = False,
    allow_urls: AllowUrls = False,
    allow_playlists: AllowPlaylists = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
    *,
    given: Given,
) -> int:
    """Make clips from finished analyses, without detecting faces again."""
    from facetrack.cli.job import render_folders

    if (workers := jobs_of(jobs)) is not None:
        given["clips"]["jobs"] = workers
    settings = load_settings(config, given)
    return render_folders(
        folders, settings, crops, out=out, video=video, gallery=gallery,
        dry_run=dry_run, json=json, quiet=quiet,
    )  # fmt: skip


@app.command()
def demo(
    out: Out = Path("facetrack-demo"),
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Make a short video of real people, analyse it and make clips."""
    from facetrack.cli.run import RunOptions, run_videos
    from facetrack.demo import make_sample, sample_media
    from facetrack.models.install import install_weights
    from facetrack.models.weight_files import cache_folder

    install_weights()  # all of them, so that everything works offline from now on
    media = sample_media(cache_folder())
    out.mkdir(parents=True, exist_ok=True)
    sample = make_sample(media, out / "sample.mp4")
    settings = load_settings(None, {"clips": {"target": ["all"], "size": 400}})
    return run_videos([sample], out, settings, RunOptions(clips=True, json=json, quiet=quiet))


@app.command()
def bench(
    videos: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Video files; without one, the video of `facetrack demo`.", metavar="[VIDEO...]"
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for bench.json and bench.png.")
    ] = Path("facetrack-bench"),
    growth: Annotated[
        bool,
        typer.Option(
            help="Also measure how time and memory grow with length, resolution and faces."
        ),
    ] = True,
    repeat: Annotated[int, typer.Option(help="Number of warm analyses of each video.", min=1)] = 3,
    device: Annotated[
        str, typer.Option(help="cpu, cuda or torch-cpu; growth is measured only on the cpu.")
    ] = "cpu",
    render: Annotated[
        bool,
        typer.Option(
            "--render",
            help="Measure only the writing of clips, and compare it with the ffmpeg program.",
        ),
    ] = False,
    cores: Annotated[
        bool,
        typer.Option(
            "--cores", help="Measure only how the analysis grows with the cores of this computer."
        ),
    ] = False,
    rivals: Annotated[
        bool,
        typer.Option(
            "--rivals",
            help="Compare only with loops of facenet-pytorch, OpenCV and face_recognition; without "
            "a video, on a film of known people.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Measure speed and memory on this computer, and compare with a plain facenet-pytorch loop."""
    from facetrack.cli.benchmarks import bench_job

    job = bench_job()
    if rivals:
        return int(job.run_rivals_bench(videos or [], out, repeat=repeat, json=json, quiet=quiet))
    if not videos:
        from facetrack.demo import make_sample, sample_media
        from facetrack.models.weight_files import cache_folder

        media = sample_media(cache_folder())
        out.mkdir(parents=True, exist_ok=True)
        videos = [make_sample(media, out / "sample.mp4")]
    load_settings(None, {"detection": {"device": device}})  # checks the device
    if cores:
        return int(job.run_cores_bench(videos, out, json=json, quiet=quiet))
    if render:
        return int(job.run_render_bench(videos, out, repeat=repeat, json=json, quiet=quiet))
    return int(
        job.run_bench(
            videos, out, device=device, growing=growth, repeat=repeat, json=json, quiet=quiet
        )
    )


app.command()(report)
app.command()(verify)
app.command()(export)
app.command()(evaluate)
app.command()(calibrate)


@app.command()
def doctor(debug: Debug = False) -> int:
    """Show what this computer has: decoders, encoders, engines, weights."""
    from facetrack.cli.facts import show_machine

    return show_machine()


@app.command("config")
def show_config(debug: Debug = False) -> None:
    """Print every setting with its default and meaning, as a TOML file."""
    typer.echo(as_toml(Settings()), nl=False)
