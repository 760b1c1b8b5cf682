"""Makes films for the growth measurements out of a video: longer, larger, with more faces."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np

from facetrack.api import render
from facetrack.core.settings import ClipSettings
from facetrack.core.types import Image
from facetrack.media.decode import PyavSource
from facetrack.media.opening import create_media
from facetrack.timeline import Analysis

GREY = 128
COLUMNS, ROWS, TILE = 4, 2, 320
"""Tiles of the films with several faces; ``TILE`` is the side of a tile's face in pixels."""
CANVAS = (1280, 720)
"""Width and height of these films in pixels."""


def write_film(
    path: Path, images: Iterable[Image], fps: Fraction, size: tuple[int, int] | None = None
) -> None:
    """Encodes RGB images as H.264.

    Args:
        path: MP4 file to write.
        images: ``(height, width, 3)`` uint8 RGB.
        fps: frames a second.
        size: width and height to scale each image to; left out: those of the first image, rounded
            down to even numbers.
    """
    with create_media(path, "mp4") as film:
        video = film.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        video.pix_fmt = "yuv420p"
        for number, image in enumerate(images):
            if not number:
                video.width, video.height = size or (image.shape[1] & ~1, image.shape[0] & ~1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame = frame.reformat(video.width, video.height, "yuv420p")
            frame.pts, frame.time_base = number, 1 / fps
            film.mux(video.encode(frame))
        film.mux(video.encode(None))


def first_frames(video: Path, most: int) -> Iterator[Image]:
    """The first ``most`` frames as ``(height, width, 3)`` uint8 RGB, one at a time."""
    with PyavSource(video) as source:
        for frame in islice(source.frames(), most):
            yield frame.image.rgb()


def repeated(video: Path, most: int, times: int) -> Iterator[Image]:
    """The first ``most`` frames, ``times`` times in a row; only one frame is in memory."""
    for _ in range(times):
        yield from first_frames(video, most)


def letterboxed(image: Image) -> Image:
    """The image centred on the smallest grey 16:9 canvas, so that scaling keeps its proportions."""
    height, width = image.shape[:2]
    wide, high = max(width, round(height * 16 / 9)), max(height, round(width * 9 / 16))
    canvas = np.full((high, wide, 3), GREY, np.uint8)
    top, left = (high - height) // 2, (wide - width) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas


def longest_face_clip(analysis: Analysis, folder: Path, most: int) -> list[Image]:
    """Square frames, ``TILE`` pixels wide, around the person with the most screen time.

    They are the first ``most`` frames of the longest clip that is rendered into ``folder``.
    """
    settings = ClipSettings(size=TILE, min_length_s=0.01, jobs=1)
    clips = [clip for clip in render(analysis, folder, settings) if not clip.error]
    longest = max(clips, key=lambda clip: clip.frames)
    return list(first_frames(longest.path, most))


def tiled(faces: Sequence[Image], filled: int, frames: int) -> Iterator[Image]:
    """``frames`` frames of 4 x 2 tiles; the first ``filled`` tiles show the face, others are grey.

    The face is played forwards and backwards, so that it never jumps.
    """
    there_and_back = [*faces, *reversed(faces)]
    across, down = CANVAS[0] // COLUMNS, CANVAS[1] // ROWS
    for face in islice(cycle(there_and_back), frames):
        canvas = np.full((CANVAS[1], CANVAS[0], 3), GREY, np.uint8)
        for tile in range(filled):
            top, left = tile // COLUMNS * down + (down - TILE) // 2, tile % COLUMNS * across
            canvas[top : top + TILE, left : left + TILE] = face
        yield canvas
