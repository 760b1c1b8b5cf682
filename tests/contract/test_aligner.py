"""What every ``Aligner`` must do: O-Net on OpenVINO in each precision, and on torch."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.detection.aligner import Aligner, OnetAligner
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn, OpenVinoRnetOnet
from facetrack.media.frame_image import RgbImage
from facetrack.pipeline.engine import open_engine
from facetrack.pipeline.openvino_engine import quick_precision
from made.detection_scores import marked_frames
from made.landmark_marks import marks

PHOTO = "multi_face.jpg"
YUNET = DetectionSettings(detector="yunet")
EXACT_MTCNN = DetectionSettings(detector="mtcnn", dense=True)


def on(device: str) -> Aligner:
    """As it is opened for YuNet."""
    settings = DetectionSettings(device=device, detector="yunet")
    aligner = open_engine(settings, IdentitySettings(recognizer="sface")).aligner
    assert aligner is not None
    return aligner


ALIGNERS: dict[str, Callable[[], Aligner]] = {
    "onet openvino f32": lambda: OnetAligner(OpenVinoRnetOnet(YUNET, "f32")),
    "onet openvino quick": lambda: OnetAligner(OpenVinoRnetOnet(YUNET, quick_precision())),
    "onet openvino cascade": lambda: OnetAligner(OpenVinoMtcnn(EXACT_MTCNN, "f32")),
    "onet torch-cpu": lambda: on("torch-cpu"),
    "onet cuda": lambda: on("cuda"),
}


@cache
def opened(name: str) -> Aligner:
    if "cuda" in name and not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA GPU that torch can use")
    return ALIGNERS[name]()


@pytest.fixture(params=ALIGNERS)
def aligner(request) -> Aligner:
    return opened(request.param)


class Photo(NamedTuple):
    """Four people whose landmarks are marked; the boxes are those of the truth."""

    image: RgbImage
    boxes: np.ndarray
    marked: np.ndarray
    """``(4, 5, 2)`` landmarks that were marked by eye."""
    coarse: np.ndarray
    """The same, a tenth of the face's width to the left and up."""


@pytest.fixture
def photo(pyfeat_data) -> Photo:
    return read_photo(pyfeat_data)


@cache
def read_photo(folder: Path) -> Photo:
    image = RgbImage(np.array(Pillow.open(folder / PHOTO).convert("RGB")))
    (truth,) = (frame for frame in marked_frames() if frame.clip == PHOTO)
    marked = marks().astype(np.float32)
    centres = (truth.faces[:, :2] + truth.faces[:, 2:]) / 2
    distance = np.linalg.norm(marked.mean(axis=1)[:, None] - centres, axis=2)
    boxes = truth.faces[distance.argmin(axis=1)].astype(np.float32)
    shift = (boxes[:, 2] - boxes[:, 0]) / 10
    return Photo(image, boxes, marked, marked - shift[:, None, None])


def eye_distances(landmarks: np.ndarray) -> np.ndarray:
    return np.linalg.norm(landmarks[:, 1] - landmarks[:, 0], axis=1)


def errors(landmarks: np.ndarray, photo: Photo) -> np.ndarray:
    """``(n,)`` mean distance of each face's landmarks from the marks, in eye distances."""
    return np.linalg.norm(landmarks - photo.marked, axis=2).mean(axis=1) / eye_distances(
        photo.marked
    )


def test_places_landmarks_better_than_they_were(aligner, photo):
    placed = aligner.landmarks([photo.image] * 4, photo.boxes, photo.coarse)
    before, after = errors(photo.coarse, photo), errors(placed, photo)
    assert (before > 0.2).all()
    assert (after < 0.12).all()


def test_shape_and_type_and_the_given_landmarks_stay(aligner, photo):
    boxes, coarse = photo.boxes.copy(), photo.coarse.copy()
    placed = aligner.landmarks([photo.image] * 4, boxes, coarse)
    assert placed.shape == (4, 5, 2) and placed.dtype == np.float32
    assert np.isfinite(placed).all()
    np.testing.assert_array_equal(boxes, photo.boxes)
    np.testing.assert_array_equal(coarse, photo.coarse)


def test_no_faces_have_no_landmarks(aligner):
    nothing = aligner.landmarks([], np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32))
    assert nothing.shape == (0, 5, 2)


def test_where_no_face_is_seen_the_landmarks_stay(aligner, photo):
    """On a wall, and outside the frame."""
    boxes = np.concatenate([[[5, 560, 55, 610], [-90, -90, -50, -50]], photo.boxes[:1]])
    given = np.concatenate([photo.coarse[:2] * 0 + 7, photo.coarse[:1]])
    placed = aligner.landmarks([photo.image] * 3, boxes.astype(np.float32), given)
    np.testing.assert_array_equal(placed[:2], given[:2])
    assert np.abs(placed[2] - given[2]).max() > 1


def test_faces_of_frames_of_several_sizes(aligner, photo):
    """Each face is placed as if it were alone, in the order in which they were given."""
    rgb = photo.image.rgb()
    corner = np.float32([40, 20])
    cut = RgbImage(np.ascontiguousarray(rgb[20:, 40:]))
    images = [photo.image, cut, photo.image, cut]
    moved = np.zeros((4, 2), np.float32)
    moved[[1, 3]] = corner
    boxes = photo.boxes - np.tile(moved, 2)
    coarse = photo.coarse - moved[:, None]
    together = aligner.landmarks(images, boxes, coarse)
    for i, image in enumerate(images):
        alone = aligner.landmarks([image], boxes[i : i + 1], coarse[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], atol=0.05)
    assert (errors(together + moved[:, None], photo) < 0.12).all()


def test_several_threads_may_call_at_once(aligner, photo):
    expected = aligner.landmarks([photo.image] * 4, photo.boxes, photo.coarse)

    def one(i: int) -> np.ndarray:
        part = slice(i % 4, i % 4 + 1)
        return aligner.landmarks([photo.image], photo.boxes[part], photo.coarse[part])

    with ThreadPoolExecutor(4) as threads:
        for i, placed in enumerate(threads.map(one, range(20))):
            np.testing.assert_allclose(placed[0], expected[i % 4], atol=0.05)


@pytest.mark.parametrize("name", [name for name in ALIGNERS if name != "onet openvino f32"])
def test_all_implementations_agree(name, photo):
    """In the crops of the exact cascade pixels are means of areas, which moves landmarks too."""
    given = [photo.image] * 4, photo.boxes, photo.coarse
    first, second = opened("onet openvino f32").landmarks(*given), opened(name).landmarks(*given)
    distance = np.linalg.norm(first - second, axis=2).max(axis=1)
    assert (distance <= 0.08 * eye_distances(photo.marked)).all()
