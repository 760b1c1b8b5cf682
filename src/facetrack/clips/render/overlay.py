"""Draws the detected faces and the clip's crops onto frames of the source."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from facetrack.core.types import Float32, Image
from facetrack.timeline import Analysis, boxes_of, landmarks_of

Float64 = NDArray[np.float64]
Rectangle = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""
Colour = tuple[int, int, int]

OUTSIDE = 0.55
"""Share of the brightness that is left outside of all crops."""
NOBODY: Colour = (190, 190, 190)
"""Colour of faces that belong to no person."""
TURN = 0.618034
"""Turn on the colour circle from one person to the next: their colours are far apart."""


@dataclass(frozen=True)
class Overlay:
    """The faces of some frames, to be drawn; small enough to be sent to a worker.

    Implements ``FrameOverlay``.
    """

    frames: NDArray[np.int32]
    """``(k,)`` frame of each face, ascending."""
    person: NDArray[np.int32]
    """``(k,)``; 0: the face belongs to no person."""
    track: NDArray[np.int32]
    """``(k,)``."""
    boxes: Float32
    """``(k, 4)`` x1 y1 x2 y2 in pixels of the upright frame."""
    landmarks: Float32
    """``(k, 5, 2)`` x y in pixels."""
    names: dict[int, str]
    """Person -> name."""
    pixel_aspect: float = 1.0
    """Width / height of a pixel of the source; those of the images that are drawn are square."""

    @classmethod
    def of(cls, analysis: Analysis, first_frame: int = 0, end_frame: int = 2**31 - 1) -> "Overlay":
        """The faces of an analysis in frames ``[first_frame, end_frame)``."""
        all_frames = analysis.faces["frame"].to_numpy()  # ascending
        first, end = np.searchsorted(all_frames, [first_frame, end_frame])
        faces = analysis.faces.slice(first, end - first)
        return cls(
            faces["frame"].to_numpy(),
            faces["person"].to_numpy(),
            faces["track"].to_numpy(),
            boxes_of(faces),
            landmarks_of(faces),
            {p.id: p.name for p in analysis.people},
            float(analysis.info.pixel_aspect),
        )

    def size_of(self, source: tuple[int, int]) -> tuple[int, int]:
        """See ``FrameOverlay``."""
        return max(2, round(source[0] * self.pixel_aspect)), source[1]

    def drawn(self, image: Image, frame: int, shown: Sequence[tuple[int, Float64]]) -> Image:
        """See ``FrameOverlay``."""
        wider = np.array([self.pixel_aspect, 1.0])
        if self.pixel_aspect != 1:
            size = self.size_of((image.shape[1], image.shape[0]))
            image = np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BICUBIC))
        crops = [(person, _corners(crop * [*wider, *wider])) for person, crop in shown]
        canvas = Pillow.fromarray(_dimmed(image, [corners for _, corners in crops]))
        pen = _Pen(canvas)
        for person, corners in crops:
            pen.rectangle(corners, _colour(person), 2)
            pen.label(corners, f"crop of {self._name(person)}", _colour(person), inside=True)
        rows = range(*np.searchsorted(self.frames, [frame, frame + 1]))
        for row in rows:
            person, label = int(self.person[row]), f"track {self.track[row]}"
            corners = tuple((self.boxes[row] * [*wider, *wider]).tolist())
            pen.rectangle(corners, _colour(person), 1)
            label = f"{self._name(person)}, {label}" if person else label
            pen.label(corners, label, _colour(person))
        for row in rows:  # above all labels
            pen.points(self.landmarks[row] * wider, _colour(int(self.person[row])))
        pen.label((0, 0, *canvas.size), f"frame {frame}", NOBODY, inside=True)
        return np.asarray(canvas)

    def _name(self, person: int) -> str:
        return self.names.get(person, f"Person {person}")


class _Pen:
    """Draws lines and labels whose size is proportional to the frame's height."""

    def __init__(self, canvas: Pillow.Image) -> None:
        self._draw = ImageDraw.Draw(canvas)
        self._size = canvas.size
        self._line = max(1, round(canvas.height / 400))
        self._font = ImageFont.load_default(max(11, canvas.height / 40))

    def rectangle(self, corners: Rectangle, colour: Colour, thickness: int) -> None:
        width = thickness * self._line
        x1, y1, x2, y2 = corners
        # A dark edge keeps the line visible on a background of its own colour.
        self._draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0), width=width + 2)
        self._draw.rectangle(corners, outline=colour, width=width)

    def points(self, points: Float64, colour: Colour) -> None:
        radius = 1 + 1.5 * self._line
        for x, y in points.tolist():
            dot = (x - radius, y - radius, x + radius, y + radius)
            self._draw.ellipse(dot, fill=colour, outline=(0, 0, 0))

    def label(self, corners: Rectangle, text: str, colour: Colour, inside: bool = False) -> None:
        """Above the rectangle's upper left corner, or inside its lower left one."""
        _, _, right, bottom = self._draw.textbbox((0, 0), text, font=self._font)
        width, height = right + 2 * self._line + 4, bottom + 2 * self._line + 2
        x = min(max(corners[0], 0), self._size[0] - width)
        y = corners[3] - height if inside else corners[1] - height
        y = min(max(y, 0), self._size[1] - height)
        self._draw.rectangle((x, y, x + width, y + height), fill=colour)
        self._draw.text((x + self._line + 2, y + self._line), text, (0, 0, 0), font=self._font)


def _colour(person: int) -> Colour:
    if not person:
        return NOBODY
    red, green, blue = colorsys.hsv_to_rgb((0.3 + person * TURN) % 1, 0.65, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _corners(crop: Float64) -> Rectangle:
    x, y, width, height = crop.tolist()
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _dimmed(image: Image, crops: Sequence[Rectangle]) -> Image:
    """A copy of the image, darker outside of the crops."""
    dimmed = (image * np.float32(OUTSIDE)).astype(np.uint8)
    for corners in crops:
        x1, y1, x2, y2 = (max(0, round(v)) for v in corners)
        dimmed[y1:y2, x1:x2] = image[y1:y2, x1:x2]
    return dimmed
