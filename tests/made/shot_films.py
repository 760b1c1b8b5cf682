"""Films whose cuts are known by construction, and what they are made of: takes and photos."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, count, islice
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from facetrack.media.decode import PyavSource
from facetrack_bench.joined_film import GREY, WHOLE, PlacedVideo

FPS = 25
SIZE = (640, 360)
"""Width and height of the films."""
Place = tuple[float, float, float, float]
Shot = list[Image.Image]


@dataclass(frozen=True)
class ShotFilm:
    """What is shown, when, and where the cuts are."""

    images: Sequence[Image.Image]
    cuts: tuple[int, ...]
    """The frames that begin a shot, without the first."""
    times_s: Sequence[float] | None = None
    """When each frame is shown; 25 frames a second when None."""
    options: tuple[tuple[str, str], ...] = (("crf", "20"), ("preset", "veryfast"))
    """Of x264."""

    def write(self, path: Path) -> None:
        """Encodes it as H.264, times in milliseconds."""
        times = self.times_s or [i / FPS for i in range(len(self.images))]
        with av.open(str(path), "w") as film:
            video = film.add_stream("libx264", FPS, options=dict(self.options))
            video.width, video.height = self.images[0].size
            video.pix_fmt = "yuv420p"
            video.time_base = video.codec_context.time_base = Fraction(1, 1000)
            for image, time_s in zip(self.images, times, strict=True):
                frame = av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")
                frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
                film.mux(video.encode(frame))
            film.mux(video.encode(None))


@dataclass(frozen=True)
class Material:
    """What films are made of: videos of a single take with how long they last, and photos."""

    takes: dict[Path, float]
    photos: Sequence[Path] = ()

    def shots(
        self,
        chance: random.Random,
        lengths: Sequence[int],
        place: Place = WHOLE,
        size: tuple[int, int] = SIZE,
        takes_only: bool = False,
    ) -> list[Shot]:
        """One shot of each length, each of another source than the one before."""
        sources = [*self.takes] if takes_only else [*self.takes, *self.photos]
        shots, last = [], None
        for length in lengths:
            last = chance.choice([source for source in sources if source != last])
            latest = self.takes.get(last, 0.0) - (length + 1) / FPS
            start_s = round(chance.uniform(0, max(0.0, latest)), 2)
            video = PlacedVideo(0, last, start_s, place)
            images = video.images() if last in self.takes else growing(last)
            shots.append([placed(image, video, size) for image in islice(images, length)])
        return shots

    def take(self, chance: random.Random, most: int = 10**6) -> Shot:
        """One whole take, or its first frames."""
        file = chance.choice([*self.takes])
        with PyavSource(file) as source:
            images = (Image.fromarray(f.image.rgb()) for f in source.frames())
            video = PlacedVideo(0, file, 0.0, WHOLE)
            return [placed(image, video, SIZE) for image in islice(images, most)]


def growing(photo: Path) -> Iterator[Image.Image]:
    """A photo that grows smoothly, as slide shows have it."""
    image = Image.open(photo).convert("RGB")
    for shown in count():
        x, y = (min(0.2, 0.002 * shown) / 2 * edge for edge in image.size)
        box = (x, y, image.width - x, image.height - y)
        yield image.resize((480, 480), Image.Resampling.BICUBIC, box)


def placed(image: Image.Image, video: PlacedVideo, size: tuple[int, int]) -> Image.Image:
    """The image fills its place; the rest of the frame is grey."""
    left, top, width, height = video.pixels(size)
    canvas = Image.new("RGB", size, GREY)
    canvas.paste(ImageOps.fit(image, (width, height), centering=(0.5, 0.3)), (left, top))
    return canvas


def starts(shots: Sequence[Shot]) -> tuple[int, ...]:
    return tuple(accumulate(len(shot) for shot in shots[:-1]))


def flat(shots: Sequence[Shot]) -> Shot:
    return [image for shot in shots for image in shot]


def lengths(chance: random.Random, count: int, low: int = 12, high: int = 40) -> list[int]:
    return [chance.randint(low, high) for _ in range(count)]


def changed(image: Image.Image, scale: float, add: float = 0.0) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image) * scale + add, 0, 255).astype(np.uint8))


def noisy(images: Shot, chance: random.Random, sigma: float) -> Shot:
    """Adds Gaussian noise: one field, which lies elsewhere in each frame."""
    numbers = np.random.default_rng(chance.randrange(2**32))
    width, height = images[0].size
    field = numbers.normal(0, sigma, (2 * height, 2 * width, 3)).round().astype(np.int16)
    made = []
    for image in images:
        y, x = numbers.integers(height), numbers.integers(width)
        noise = field[y : y + height, x : x + width]
        made.append(Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8)))
    return made


def coarse_film(path: Path) -> tuple[np.ndarray, list[float]]:
    """What a cut detector sees: ``(n, 36, 64, 3)`` uint8, and when."""
    with PyavSource(path) as source:
        seen = [(frame.image.coarse(), frame.time_s) for frame in source.frames()]
    return np.stack([coarse for coarse, _ in seen]), [time_s for _, time_s in seen]


def material_of(pyfeat: Path, shared: Path, part: int) -> Material:
    """Takes and photos, other ones in each of three parts: 0 to choose numbers by, 1 to check the
    choice, 2 held out of both."""
    media, faces = shared / "media", sorted((shared / "faces").glob("*.jpg"))
    takes = (
        {
            pyfeat / "WolfgangLanger_Pexels.mp4": 19.0,
            pyfeat / "single_face.mp4": 2.4,
            media / "man_a.mp4": 6.0,
        },
        {media / "woman_c.mp4": 4.8, pyfeat / "no_face.mp4": 3.9},
        {media / "crowd_1080p.mp4": 4.1, media / "man_b.mp4": 5.0},
    )
    # 613 photos in the order of their people: thirds have no person in common but at their edges.
    third = len(faces) // 3
    return Material(takes[part], faces[part * third : (part + 1) * third])
