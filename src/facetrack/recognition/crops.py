"""Where the two crops of a face are in its frame: the box with a margin, and the aligned square.

The box crop is that of facenet-pytorch's ``extract_face`` with a margin of 14 of 160 pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Faces, Float32, Image
from facetrack.media.face_cut import BOX_CROP_SIZE, FaceCut, Placement, stretched
from facetrack.media.frame_image import FrameImage
from facetrack.recognition.embedder import CropSpec
from facetrack.recognition.face_square import ALIGNED_SIDE, aligned, around, square
from facetrack.recognition.quality import normalised_light

BOX_CROP_MARGIN = 14
NARROWEST, WIDEST = 0.5, 2.5
"""Smallest and largest side of an aligned crop, in longer sides of the face's box, for which the
landmarks are used. Of true faces it is 0.8 to 1.6; landmarks that are all at one place would give a
crop of the whole frame."""


def box_corners(boxes: Float32, size: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(n, 4)`` x1 y1 x2 y2 of the faces with their margin, in whole pixels inside the frame.

    Each has one pixel at least, even where the box is outside the frame.

    Args:
        boxes: ``(n, 4)`` x1 y1 x2 y2 in pixels.
        size: width and height of the frame: ``(2,)`` one for all, or ``(n, 2)`` of each face.
    """
    share = BOX_CROP_MARGIN / (BOX_CROP_SIZE - BOX_CROP_MARGIN) / 2
    margin = share * (boxes[:, 2:] - boxes[:, :2])
    first = np.clip((boxes[:, :2] - margin).astype(np.int64), 0, size - 1)
    end = np.clip((boxes[:, 2:] + margin).astype(np.int64), first + 1, size)
    return np.concatenate([first, end], axis=1)


def box_crop(image: FrameImage, box: Float32) -> Image:
    """``(160, 160, 3)`` uint8 RGB: the face with its margin.

    Args:
        image: the frame.
        box: ``(4,)`` x1 y1 x2 y2 in pixels.
    """
    x1, y1, x2, y2 = box_corners(box[None], np.array(image.shape[::-1]))[0].tolist()
    return stretched(image.part(x1, y1, x2, y2))


def crop_of(image: FrameImage, faces: Faces, i: int, spec: CropSpec) -> Image:
    """``(size, size, 3)`` uint8 RGB: a face as an embedder takes it, brightened where it is dark.

    Args:
        image: the frame.
        faces: faces of the frame.
        i: position of the face among them.
        spec: of the embedder.
    """
    if not spec.aligned:
        return normalised_light(box_crop(image, faces.boxes[i]))
    of_one, aspect = slice(i, i + 1), np.array([image.pixel_aspect])
    placement = aligned_placements(faces.boxes[of_one], faces.landmarks[of_one], aspect)[0]
    return normalised_light(square(image, placement, spec.size))


def cut_faces(images: Sequence[FrameImage], boxes: Float32, landmarks: Float32) -> list[FaceCut]:
    """Cuts one face out of each frame; both crops can be made of what is cut.

    Args:
        images: ``n`` frames, upright; one frame may be there several times.
        boxes: ``(n, 4)`` x1 y1 x2 y2 in pixels.
        landmarks: ``(n, 5, 2)`` x y in pixels.
    """
    sizes = np.array([image.shape[::-1] for image in images])
    corners = box_corners(boxes, sizes).tolist()
    aspects = np.array([image.pixel_aspect for image in images])
    placements = aligned_placements(boxes, landmarks, aspects)
    return [
        image.face_cut((x1, y1, x2, y2), placement, ALIGNED_SIDE)
        for image, (x1, y1, x2, y2), placement in zip(images, corners, placements, strict=True)
    ]


def visible_share(
    box: Float32, landmarks: Float32, shape: tuple[int, int], pixel_aspect: float = 1.0
) -> float:
    """Share of a face's aligned crop that is inside the frame, 0 to 1.

    Args:
        box: ``(4,)`` x1 y1 x2 y2 in pixels.
        landmarks: ``(5, 2)`` x y in pixels.
        shape: height and width of the frame.
        pixel_aspect: width / height of a pixel.
    """
    steps = (np.arange(8) + 0.5) / 8 * ALIGNED_SIDE
    x, y = np.meshgrid(steps, steps)
    placement = aligned_placements(box[None], landmarks[None], np.array([pixel_aspect]))[0]
    points = placement @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    edge = np.array(shape)[::-1, None]
    return float(((points >= 0) & (points < edge)).all(axis=0).mean())


def aligned_placements(
    boxes: Float32, landmarks: Float32, pixel_aspects: NDArray[np.float64] | None = None
) -> Placement:
    """``(n, 2, 3)`` placements of aligned crops, whose pixels are square.

    Where the landmarks make no face, the placement is that of the face's box.

    Args:
        boxes: ``(n, 4)`` x1 y1 x2 y2 in pixels.
        landmarks: ``(n, 5, 2)`` x y in pixels.
        pixel_aspects: ``(n,)`` width / height of a pixel of each frame; None: all are square.
    """
    if pixel_aspects is not None and (pixel_aspects != 1).any():
        wider = np.stack([pixel_aspects, np.ones(len(boxes))], axis=1)
        shown = aligned_placements(boxes * np.tile(wider, 2), landmarks * wider[:, None])
        return shown / wider[:, :, None]
    placements = aligned(landmarks, ALIGNED_SIDE)
    sides = np.hypot(placements[:, 0, 0], placements[:, 1, 0]) * ALIGNED_SIDE
    longer = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1), 1.0)
    sane = (NARROWEST * longer <= sides) & (sides <= WIDEST * longer)
    return np.where(sane[:, None, None], placements, around(boxes, ALIGNED_SIDE, 0.0))
