"""Reads labelled photographs, and cuts out their faces as videos would show them."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from facetrack.core.errors import InputError
from facetrack.core.limits import limits
from facetrack.core.received_files import check_file, read_given
from facetrack.core.types import Faces, Float32, Image
from facetrack.detection.detector import Detector
from facetrack.evaluation.degraded import SWEEP, Condition, degraded, random_condition
from facetrack.media.frame_image import RgbImage
from facetrack.media.images import ImageError, open_image
from facetrack.pipeline.engine import Engine
from facetrack.recognition.crops import box_crop, crop_of
from facetrack.recognition.embedder import CropSpec, Embedder
from facetrack.recognition.quality import crop_quality, frontality, pose_quality, sharpness

Float64 = NDArray[np.float64]

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
BORDER = 0.5
"""Width of a border around a photo, in its longer sides: detectors misplace a face that fills the
photo."""
GREY = (127, 127, 127)
LARGEST_PX = 140.0
"""Largest height of a face; larger ones are made smaller, because embedders use no more pixels."""
FRAME = 320
"""Side of the frames in which degraded faces are detected again: twice a face and its margin."""
AROUND = 2.2
"""Side of what is kept of a photo, in heights of the face."""
MIN_SCORE = 0.7
RANDOM_CONDITIONS = 5
"""Random conditions for each person; each photo is filmed twice in each of them."""
BATCH = 32
"""Crops that are embedded in one call, and frames that are detected in one."""


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo of one person."""

    file: Path
    identity: str
    group: str
    """The group of the person in the report; empty: none."""


@dataclass(frozen=True)
class FaceSamples:
    """``n`` faces of labelled photos, filmed in many ways; each array has one row for each face."""

    identity: NDArray[np.str_]
    group: NDArray[np.str_]
    condition: NDArray[np.str_]
    photo: NDArray[np.int64]
    """Position of the face's photo."""
    face_px: Float64
    sharpness: Float64
    frontality: Float64
    quality: Float64
    """``quality.crop_quality``, by which a track weights its faces."""
    crops: NDArray[np.uint8]
    """``(n, size, size, 3)`` uint8 RGB."""

    def embed(self, embedder: Embedder, which: NDArray[np.intp] | None = None) -> Float32:
        """``(n, dim)`` of length one: the embeddings of the faces at ``which``, or of all."""
        crops = self.crops if which is None else self.crops[which]
        starts = range(0, len(crops), BATCH)
        return np.concatenate([embedder.embed(crops[i : i + BATCH]) for i in starts])


def labelled_photos(place: Path) -> list[LabelledPhoto]:
    """The labelled photos of a folder.

    Labels come from ``labels.csv`` in the folder (columns file, identity and, if wanted, group), or
    else from the names of the folders in it: one for each person. Photos of a table lie beside or
    below it.

    Args:
        place: the folder, or a table like ``labels.csv``.

    Raises:
        InputError: when there are no labels, no two people with two photos each, or the table names
            a file elsewhere.
    """
    table = place / "labels.csv" if place.is_dir() else place
    if table.is_file():
        photos = _of_table(table)
    elif place.is_dir():
        photos = [
            LabelledPhoto(file, person.name, "")
            for person in sorted(place.iterdir())
            if person.is_dir()
            for file in sorted(person.iterdir())
            if file.suffix.lower() in SUFFIXES
        ]
    else:
        raise InputError(f"{place}: no such folder or table")
    names = [photo.identity for photo in photos]
    if sum(names.count(name) > 1 for name in set(names)) < 2:
        raise InputError(
            f"{place}: at least two people with two photos each are needed, in a folder for each "
            "person or in labels.csv with the columns file and identity"
        )
    return photos


def _of_table(table: Path) -> list[LabelledPhoto]:
    try:
        text = read_given(table, limits().text_bytes).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        for row in rows:  # the table may come from anybody
            check_file(table.parent, row["file"] or "")
        return [
            LabelledPhoto(table.parent / row["file"], row["identity"], row.get("group") or "")
            for row in rows
        ]
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{table}: not a table with the columns file, identity ({error})"
        ) from error


def filmed_faces(
    photos: Sequence[LabelledPhoto], engine: Engine, spec: CropSpec, seed: int = 0
) -> FaceSamples:
    """The faces of the photos under many conditions, each detected again under its condition.

    Faces that the detector does not find under a condition are left out, as in a video.

    Args:
        photos: labelled.
        engine: its detector and aligner are used.
        spec: crop of the embedder that is calibrated.
        seed: of the random conditions.

    Raises:
        InputError: when a photo cannot be read, or none shows a face.
    """
    chance = np.random.default_rng(seed)
    conditions = {
        name: [random_condition(f"random {i}", chance) for i in range(RANDOM_CONDITIONS)]
        for name in sorted({photo.identity for photo in photos})
    }
    rows: list[tuple[LabelledPhoto, int, str, float, float, float, float, Image]] = []
    waiting: list[tuple[int, Condition, Image]] = []
    for i, photo in enumerate(photos):
        face = _cut_out(photo.file, engine.detector)
        if face is None:
            continue
        region, height = face
        wanted = [*SWEEP, *conditions[photo.identity], *conditions[photo.identity]]
        waiting += [(i, c, _on_frame(degraded(region, height, c, chance))) for c in wanted]
        if len(waiting) >= BATCH:
            rows += _found(waiting, photos, engine, spec)
            waiting = []
    rows += _found(waiting, photos, engine, spec)
    if not rows:
        raise InputError("no photo shows a face")
    people, places, names, px, sharp, front, quality, crops = zip(*rows, strict=True)
    return FaceSamples(
        np.array([photo.identity for photo in people]),
        np.array([photo.group for photo in people]),
        np.array(names),
        np.array(places, np.int64),
        np.array(px, np.float64),
        np.array(sharp, np.float64),
        np.array(front, np.float64),
        np.array(quality, np.float64),
        np.stack(crops),
    )


def _cut_out(file: Path, detector: Detector) -> tuple[Image, float] | None:
    """The photo around its main face, and the height of the face's box in it; None: no face."""
    try:
        image = open_image(file)
    except ImageError as error:
        raise InputError(f"{file} is no image that can be read ({error})") from error
    image = ImageOps.expand(image, round(BORDER * max(image.size)), fill=GREY)
    (faces,) = detector.detect([RgbImage(np.array(image))])
    i = _main_face(faces, np.array(image.size) / 2)
    if i is None:
        return None
    x1, y1, x2, y2 = faces.boxes[i].tolist()
    half = AROUND * (y2 - y1) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    corners = tuple(round(v) for v in (x - half, y - half, x + half, y + half))
    region = image.crop(corners)
    scale = min(1.0, LARGEST_PX / (y2 - y1))
    if scale < 1:
        side = max(1, round(region.size[0] * scale))
        region = region.resize((side, side), Pillow.Resampling.BOX)
    return np.array(region), (y2 - y1) * scale


def _main_face(faces: Faces, middle: Float64) -> int | None:
    """Position of the face that is large and near the middle; None: there is no sure face."""
    sure = np.flatnonzero(faces.scores >= MIN_SCORE)
    if not len(sure):
        return None
    corners = faces.boxes[sure].reshape(-1, 2, 2)
    size = np.sqrt(np.prod(corners[:, 1] - corners[:, 0], axis=1))
    away = np.hypot(*(corners.mean(axis=1) - middle).T)
    return int(sure[(size - 2 * away).argmax()])


def _on_frame(image: Image) -> Image:
    """The image in the middle of a grey frame; what does not fit is cut off."""
    frame = np.full((FRAME, FRAME, 3), GREY[0], np.uint8)
    height, width = (min(side, FRAME) for side in image.shape[:2])
    top, left = (FRAME - height) // 2, (FRAME - width) // 2
    frame[top : top + height, left : left + width] = image[:height, :width]
    return frame


def _found(
    waiting: Sequence[tuple[int, Condition, Image]],
    photos: Sequence[LabelledPhoto],
    engine: Engine,
    spec: CropSpec,
) -> Iterator[tuple[LabelledPhoto, int, str, float, float, float, float, Image]]:
    """One row for each face that is detected: photo, its position, condition, height, sharpness,
    frontality, quality and crop."""
    images = [RgbImage(frame) for *_, frame in waiting]
    middle = np.array([FRAME / 2, FRAME / 2])
    for (place, condition, _), image, faces in zip(
        waiting, images, engine.detector.detect(images) if images else (), strict=True
    ):
        i = _main_face(faces, middle)
        if i is None:
            continue
        one = faces.pick(np.array([i]))
        if engine.aligner is not None and spec.aligned:
            placed = engine.aligner.landmarks([image], one.boxes, one.landmarks)
            one = replace(one, landmarks=placed)
        sharp = sharpness(box_crop(image, one.boxes[0]))
        pose = float(pose_quality(one.boxes, one.landmarks, one.scores)[0])
        yield (
            photos[place],
            place,
            condition.name,
            float(one.boxes[0, 3] - one.boxes[0, 1]),
            sharp,
            float(frontality(one.landmarks)[0]),
            crop_quality(pose, sharp),
            crop_of(image, one, 0, spec),
        )
