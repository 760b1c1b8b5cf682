"""Makes ``clips.png``: frames of clips of the demo's film, a row for each way to ask for them.

Run it as: python docs/make_clips_png.py
"""

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import facetrack
from facetrack.clips.render.render import ClipResult
from facetrack.demo import make_sample, sample_media
from facetrack.models.weights import cache_folder

ROWS = {
    "--target 1 --debug-overlay": {"target": ("1",), "debug_overlay": True},
    "--target 1": {"target": ("1",)},
    "--target 2 --aspect 9:16 --zoom bust": {
        "target": ("2",), "aspect": "9:16", "zoom": "bust",
    },
    "--target 1,2 --mode split --aspect 16:9": {
        "target": ("1", "2"), "mode": "split", "aspect": "16:9",
    },
    "--target 5,6 --mode split --aspect 16:9": {
        "target": ("5", "6"), "mode": "split", "aspect": "16:9",
    },
    "--target 3,4,5,6 --mode grid --zoom face": {
        "target": ("3", "4", "5", "6"), "mode": "grid", "zoom": "face",
    },
    "--mode follow --aspect 4:5": {"mode": "follow", "aspect": "4:5"},
}  # fmt: skip
HEIGHT, WIDTH, GAP, LABEL = 128, 960, 4, 22


def main() -> None:
    with TemporaryDirectory() as scratch:
        video = make_sample(sample_media(cache_folder()), Path(scratch) / "sample.mp4")
        analysis = facetrack.analyze(video)
        rows = []
        for flags, settings in ROWS.items():
            wanted = facetrack.ClipSettings(size=360, **settings)
            made = facetrack.render(analysis, Path(scratch) / "out", wanted)
            rows.append(row_of(f"facetrack render out/talk {shlex.join(shlex.split(flags))}", made))
    sheet = Image.new("RGB", (WIDTH, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    sheet.quantize(192).save(Path(__file__).with_name("clips.png"), optimize=True)


def row_of(label: str, made: list[ClipResult]) -> Image.Image:
    """As many frames as fit, spread over all clips."""
    frames = [frame for clip in made for frame in images(clip.path)]
    width = round(frames[0].width * HEIGHT / frames[0].height)
    fit = (WIDTH + GAP) // (width + GAP)
    row = Image.new("RGB", (WIDTH, HEIGHT + LABEL + GAP), "white")
    ImageDraw.Draw(row).text((0, 4), label, "black", ImageFont.load_default(13))
    for i, k in enumerate(np.linspace(0, len(frames) - 1, 2 * fit + 1)[1::2]):
        small = frames[round(k)].resize((width, HEIGHT), Image.Resampling.LANCZOS)
        row.paste(small, (i * (width + GAP), LABEL))
    return row


def images(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as clip:
        return [frame.to_image() for frame in clip.decode(video=0)]


if __name__ == "__main__":
    main()
