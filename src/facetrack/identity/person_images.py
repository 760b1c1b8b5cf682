"""Makes thumbnails of people after an edit: their best faces are cut out of the video again."""

import io
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from PIL import Image as Pillow

from facetrack.media.decode import upright
from facetrack.media.frame_reader import FrameReader
from facetrack.recognition.crops import box_crop
from facetrack.recognition.quality import crop_quality, pose_quality, sharpness
from facetrack.timeline import Analysis, boxes_of, landmarks_of, thumbnail_name

MAX_FACES = 8
"""Faces of a person that are cut out: those in the best pose, of which the sharpest is taken."""
SPACING = 12
"""At most one face is taken of so many frames in a row."""


def cut_thumbnails(analysis: Analysis, people: Iterable[int]) -> Analysis:
    """The analysis with new thumbnails of some people, as far as their frames can be read.

    Raises:
        InputError: when the video is gone.
    """
    thumbnails = dict(analysis.thumbnails)
    for person in people:
        jpeg = _best_face(analysis, person)
        if jpeg is not None:
            thumbnails[person] = jpeg
    return replace(
        analysis,
        thumbnails={n: thumbnails[n] for n in sorted(thumbnails)},
        people=[
            replace(p, thumbnail=f"people/{thumbnail_name(p.id)}" if p.id in thumbnails else None)
            for p in analysis.people
        ],
    )


def _best_face(analysis: Analysis, person: int) -> bytes | None:
    """The person's thumbnail as a JPEG; None where no frame can be read."""
    rows, poses = _best_poses(analysis.faces, person)
    boxes, best = boxes_of(rows), (0.0, b"")
    with FrameReader.open(analysis.info.path, analysis.info.streams, analysis.info.clock) as reader:
        shown = reader.frames(rows["frame"].to_numpy(), rows["time_s"].to_numpy())
        for (_, image, found), box, pose in zip(shown, boxes, poses, strict=False):
            if found:
                crop = box_crop(upright(image), box)
                quality = crop_quality(pose, sharpness(crop))
                if quality > best[0]:
                    jpeg = io.BytesIO()
                    Pillow.fromarray(crop).save(jpeg, "JPEG", quality=92)
                    best = quality, jpeg.getvalue()
    return best[1] or None


def _best_poses(faces: pa.Table, person: int) -> tuple[pa.Table, list[float]]:
    """The person's faces in the best poses, at different moments, by frame; and their poses."""
    mine = faces["person"].to_numpy() == person
    detected = mine & (faces["source"].to_numpy(zero_copy_only=False) != "interpolated")
    rows = faces.filter(detected if detected.any() else mine)
    poses = pose_quality(boxes_of(rows), landmarks_of(rows), rows["score"].to_numpy())
    frames, chosen = rows["frame"].to_numpy(), dict[int, int]()
    for row in np.argsort(-poses, kind="stable").tolist():
        if len(chosen) < MAX_FACES:
            chosen.setdefault(int(frames[row]) // SPACING, row)
    order = sorted(chosen.values())
    return rows.take(order), [float(poses[row]) for row in order]
