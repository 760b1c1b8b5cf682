"""Films whose people are known by construction: videos and photos of one person each.

The place of each person is exact; where a face is in its video is said by the whole cascade on
every frame of each part alone (so a face that this misses is in no truth).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

import facetrack
from facetrack.core.settings import DecodeSettings, DetectionSettings
from facetrack.media.decode import PyavSource
from facetrack.media.images import open_image
from facetrack.media.opening import create_media
from facetrack.pipeline.engine import open_engine
from facetrack.timeline import boxes_of

FPS = 25
GREY = (128, 128, 128)


@dataclass(frozen=True)
class PlacedVideo:
    """One person in one place of the frame, from ``start_s`` of a video, or a photo."""

    person: int
    """From 1."""
    file: Path
    start_s: float
    place: tuple[float, float, float, float]
    """Left, top, width and height as shares of the film's frame."""

    def pixels(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, width and height in a frame of this width and height."""
        left, top, width, height = self.place
        return (
            round(left * size[0]), round(top * size[1]),
            round(width * size[0]), round(height * size[1]),
        )  # fmt: skip

    def images(self) -> Iterator[Image.Image]:
        """At the film's rate, without end; a photo grows slowly."""
        if self.file.suffix == ".jpg":
            photo = open_image(self.file)
            shown = 0
            while True:
                edge = min(0.2, 0.002 * shown) / 2
                x, y = edge * photo.width, edge * photo.height
                yield photo.crop((int(x), int(y), photo.width - int(x), photo.height - int(y)))
                shown += 1
        last, given = None, 0
        with PyavSource(self.file) as source:
            for frame in source.frames(self.start_s):
                while given / FPS <= frame.time_s - self.start_s + 1e-6:
                    last = Image.fromarray(frame.image.rgb())
                    yield last
                    given += 1
        while last is not None:
            yield last


WHOLE = (0.0, 0.0, 1.0, 1.0)
LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)
SMALL = (0.3, 0.3, 0.4, 0.4)


@dataclass(frozen=True)
class Part:
    """What is seen between two hard cuts."""

    videos: tuple[PlacedVideo, ...]
    """They do not overlap."""
    frames: int
    """Its length."""


def make_film(
    parts: Sequence[Part], path: Path, size: tuple[int, int], crf: int = 18
) -> list[tuple[int, int]]:
    """Writes the parts one after the other as H.264, at ``FPS``.

    Args:
        parts: in order.
        path: MP4 file to write.
        size: width and height in pixels.
        crf: x264's quality; lower is better.

    Returns:
        Each part's first frame, and the one after its last.
    """
    edges = [0]
    with create_media(path, "mp4") as film:
        video = film.add_stream("libx264", FPS, options={"crf": str(crf), "preset": "veryfast"})
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        for part in parts:
            sources = [placed.images() for placed in part.videos]
            for shown, images in enumerate(islice(zip(*sources, strict=True), part.frames)):
                canvas = Image.new("RGB", size, GREY)
                for placed, image in zip(part.videos, images, strict=True):
                    left, top, width, height = placed.pixels(size)
                    fitted = ImageOps.pad(image, (width, height), color=GREY)
                    canvas.paste(fitted, (left, top))
                frame = av.VideoFrame.from_ndarray(np.asarray(canvas), "rgb24")
                frame.pts, frame.time_base = edges[-1] + shown, Fraction(1, FPS)
                film.mux(video.encode(frame))
            edges.append(edges[-1] + part.frames)
        film.mux(video.encode(None))
    return list(pairwise(edges))


def write_truth(
    film: Path,
    parts: Sequence[Part],
    ranges: Sequence[tuple[int, int]],
    path: Path,
) -> None:
    """Writes MOTChallenge text: of each person and frame the largest face in the person's place.

    Args:
        film: that ``make_film`` wrote.
        parts: its parts.
        ranges: what ``make_film`` returned.
        path: text file to write.
    """
    exact = DetectionSettings(detector="mtcnn", dense=True)
    dense = facetrack.Settings(detection=exact)
    engine = open_engine(dense.detection, dense.identity)
    lines = []
    for part, (first, end) in zip(parts, ranges, strict=True):
        time_range = DecodeSettings(start_s=first / FPS, duration_s=(end - first) / FPS)
        analysis = facetrack.analyze(film, replace(dense, decode=time_range), engine=engine)
        assert (analysis.first_frame, len(analysis.frame_times)) == (first, end - first)
        size = analysis.info.width, analysis.info.height
        frames, boxes = analysis.faces["frame"].to_numpy(), boxes_of(analysis.faces)
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        for placed in part.videos:
            left, top, width, height = placed.pixels(size)
            here = (left <= x) & (x < left + width) & (top <= y) & (y < top + height)
            for frame in np.unique(frames[here]):
                best = np.flatnonzero(here & (frames == frame))
                x1, y1, x2, y2 = boxes[best[areas[best].argmax()]]
                lines.append((frame + 1, placed.person, x1 + 1, y1 + 1, x2 - x1, y2 - y1, 1))
    np.savetxt(path, sorted(lines), "%d,%d,%.2f,%.2f,%.2f,%.2f,%d")
