"""What every detector must do, run over all of them: the ones that ship, and the fake.

Landmarks are held three ways: to points that were marked by eye on a photo, to the landmarks of the
networks' published implementations (facenet-pytorch's MTCNN, OpenCV's YuNet), and to each other. So
a shift of them fails even if it is made in all of our implementations.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from facetrack.core.boxes import iou_matrix, squared
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.core.types import Faces
from facetrack.detection.detector import Detector, RedetectingDetector
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn
from facetrack.detection.yunet.openvino import OpenVinoYunet
from facetrack.media.frame_image import FrameImage, RgbImage
from facetrack.pipeline.engine import open_engine
from facetrack.pipeline.openvino_engine import quick_precision
from facetrack.testing import FakeDetector, frame_with_squares
from made.detection_scores import marked_frames
from made.landmark_marks import marks

GOLDEN = Path(__file__).parents[1] / "detection" / "golden"
PHOTO, CLIP = "multi_face.jpg", "single_face.mp4"
MTCNN = {"detector": "mtcnn", "min_face": 20}


class Implementation(NamedTuple):
    """A detector, and how close it must come."""

    open: Callable[[], Detector]
    near_marks: float = 0.0
    """Largest distance of a landmark from the point that was marked by eye, in eye distances,"""
    shift: float = 0.0
    """and of their mean from the mean mark, in x and y."""
    published: float | None = None
    """Largest difference in pixels from the published implementation; None: not compared."""
    repeats: float = 1e-2
    """Largest difference in pixels between a frame alone and in a batch."""


def on(device: str, **settings: object) -> Callable[[], Detector]:
    detection = DetectionSettings(device=device, dense=True, **settings)
    return lambda: open_engine(detection, IdentitySettings(recognizer="facenet")).detector


# Measured: MTCNN's landmarks are up to 0.12 eye distances from the marks, 0.02 on average; YuNet's
# up to 0.25, and 0.064 to the left on average. 0.1 eye distances are 4 pixels here.
IMPLEMENTATIONS = {
    "mtcnn-openvino-exact": Implementation(
        lambda: OpenVinoMtcnn(DetectionSettings(dense=True, **MTCNN), "f32"), 0.12, 0.04, 0.05
    ),
    "mtcnn-openvino-key-frames": Implementation(
        lambda: OpenVinoMtcnn(DetectionSettings(dense=False, **MTCNN), quick_precision()),
        0.14,
        0.04,
    ),
    "mtcnn-torch-cpu": Implementation(on("torch-cpu", **MTCNN), 0.12, 0.04, 0.05),
    "mtcnn-cuda": Implementation(on("cuda", **MTCNN), 0.14, 0.04, 1.0, 0.05),
    "yunet-openvino": Implementation(
        lambda: OpenVinoYunet(DetectionSettings(detector="yunet"), "f32"), 0.27, 0.08, 0.05
    ),
    "yunet-torch-cpu": Implementation(on("torch-cpu", detector="yunet"), 0.27, 0.08, 0.05),
    "yunet-cuda": Implementation(on("cuda", detector="yunet"), 0.27, 0.08, 1.0, 0.05),
    "fake": Implementation(FakeDetector),
}
REAL = [name for name in IMPLEMENTATIONS if name != "fake"]
PUBLISHED = [name for name, one in IMPLEMENTATIONS.items() if one.published is not None]


@cache
def opened(name: str) -> Detector:
    if "cuda" in name and not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA GPU that torch can use")
    return IMPLEMENTATIONS[name].open()


@pytest.fixture(params=IMPLEMENTATIONS)
def name(request) -> str:
    opened(request.param)
    return request.param


@pytest.fixture
def detector(name) -> Detector:
    return opened(name)


@pytest.fixture
def frames(name, pyfeat_data) -> list[FrameImage]:
    """Three frames of one size: a face, no face, a face elsewhere."""
    if name == "fake":
        return [
            frame_with_squares(90, 160, boxes)
            for boxes in ([(20, 10, 60, 50)], [], [(100, 30, 140, 72), (10, 10, 30, 45)])
        ]
    return of_clip(pyfeat_data)


@cache
def of_clip(folder: Path) -> list[FrameImage]:
    with av.open(str(folder / CLIP)) as clip:
        rgb = next(clip.decode(video=0)).to_ndarray(format="rgb24")
    return [RgbImage(rgb), RgbImage(np.full_like(rgb, 90)), RgbImage(rgb[:, ::-1].copy())]


@cache
def photo(folder: Path) -> RgbImage:
    return RgbImage(np.array(Pillow.open(folder / PHOTO).convert("RGB")))


@cache
def of_photo(name: str, folder: Path) -> Faces:
    (faces,) = opened(name).detect([photo(folder)])
    return faces


def assert_same(found: Faces, expected: Faces, pixels: float) -> None:
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=pixels)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=pixels)
    np.testing.assert_allclose(found.anchors, expected.anchors, atol=pixels)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-2)


def test_says_what_it_is(detector):
    assert detector.name in ("mtcnn", "yunet", "fake")
    assert detector.smallest_batch >= 1
    assert detector.frames_ahead >= 1


def test_no_frames_have_no_faces(detector):
    assert list(detector.detect([])) == []


def test_gives_faces_in_the_order_of_the_frames(detector, frames):
    first, none, last = detector.detect(frames)
    assert len(none) == 0
    assert len(first) >= 1 and len(last) >= 1
    again = list(detector.detect([frames[i] for i in (2, 0, 1, 0)]))
    assert [len(faces) for faces in again] == [len(last), len(first), 0, len(first)]
    width = frames[0].shape[1]
    middle = [float(faces.boxes[0, [0, 2]].mean()) for faces in (first, last)]
    assert abs(middle[0] - middle[1]) > 0.02 * width, "the two frames look the same"
    for faces, expected in zip(
        (again[0], again[1], again[3]), middle[::-1] + middle[:1], strict=True
    ):
        assert abs(float(faces.boxes[0, [0, 2]].mean()) - expected) < 0.01 * width


def test_a_frame_without_a_face_has_empty_arrays(detector, frames):
    (faces,) = detector.detect([frames[1]])
    assert faces.boxes.shape == faces.anchors.shape == (0, 4)
    assert faces.scores.shape == faces.sources.shape == (0,)
    assert faces.landmarks.shape == (0, 5, 2)


@pytest.mark.parametrize("size", [(1, 1), (11, 300), (20, 20), (37, 61)])
def test_small_frames_have_no_faces(detector, size):
    image = RgbImage(np.full((*size, 3), 128, np.uint8))
    assert [len(faces) for faces in detector.detect([image, image])] == [0, 0]


def test_a_frames_faces_do_not_depend_on_its_batch(name, detector, frames):
    many = frames * 3  # more than one batch on every device
    pixels = IMPLEMENTATIONS[name].repeats
    alone = list(chain.from_iterable(detector.detect([frame]) for frame in frames)) * 3
    for faces, expected in zip(detector.detect(many), alone, strict=True):
        assert_same(faces, expected, pixels)


def test_calls_may_be_started_before_the_first_is_waited_for(name, detector, frames):
    first, second = detector.detect(frames), detector.detect(frames[::-1])
    for faces, expected in zip(second, [*first][::-1], strict=True):
        assert_same(faces, expected, IMPLEMENTATIONS[name].repeats)


def test_shapes_types_and_ranges(detector, frames):
    for faces in detector.detect(frames):
        n = len(faces)
        assert faces.boxes.shape == faces.anchors.shape == (n, 4)
        assert faces.landmarks.shape == (n, 5, 2) and faces.scores.shape == (n,)
        for array in (faces.boxes, faces.anchors, faces.landmarks, faces.scores):
            assert array.dtype == np.float32 and np.isfinite(array).all()
        assert (faces.boxes[:, 2:] > faces.boxes[:, :2]).all()
        assert (faces.scores >= 0).all() and (faces.scores <= 1).all()
        assert set(faces.sources.tolist()) <= {"detected"}
        size = faces.boxes[:, None, 2:] - faces.boxes[:, None, :2]
        share = (faces.landmarks - faces.boxes[:, None, :2]) / size
        assert (share > -0.1).all() and (share < 1.1).all(), "landmarks are in their box"
        left_eye, right_eye, nose, left_mouth, right_mouth = share.transpose(1, 0, 2)
        assert (left_eye[:, 0] < right_eye[:, 0]).all()
        assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
        assert (nose[:, 1] > left_eye[:, 1]).all() and (nose[:, 1] < right_mouth[:, 1]).all()


def test_the_best_score_comes_first(name, detector, frames, pyfeat_data):
    faces = list(detector.detect(frames)) if name == "fake" else [of_photo(name, pyfeat_data)]
    assert max(map(len, faces)) > 1
    for of_frame in faces:
        assert (np.diff(of_frame.scores) <= 0).all()


@pytest.mark.parametrize("name", REAL)
def test_finds_the_five_faces_of_the_photo(name, pyfeat_data):
    faces = of_photo(name, pyfeat_data)
    (marked,) = (f for f in marked_frames() if f.clip == PHOTO)
    assert len(faces) == len(marked.faces) == 5
    overlap = iou_matrix(faces.boxes, marked.faces)
    assert (overlap.max(axis=0) >= 0.5).all() and len(set(overlap.argmax(axis=0).tolist())) == 5
    assert (faces.scores >= 0.95).all()


def nearest(landmarks: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Of each marked face, the landmarks that were found nearest to it."""
    distance = np.abs(landmarks[None] - marked[:, None]).sum(axis=(2, 3))
    assert len(set(distance.argmin(axis=1).tolist())) == len(marked)
    return landmarks[distance.argmin(axis=1)]


@pytest.mark.parametrize("name", REAL)
def test_landmarks_are_where_a_person_marks_them(name, pyfeat_data):
    marked = marks()
    found = nearest(of_photo(name, pyfeat_data).landmarks, marked)
    eyes = np.linalg.norm(marked[:, 1] - marked[:, 0], axis=1)
    difference = (found - marked) / eyes[:, None, None]
    assert np.linalg.norm(difference, axis=2).max() <= IMPLEMENTATIONS[name].near_marks
    assert np.abs(difference.mean(axis=(0, 1))).max() <= IMPLEMENTATIONS[name].shift


@pytest.mark.parametrize("name", PUBLISHED)
def test_landmarks_are_those_of_the_published_implementation(name, pyfeat_data):
    """Of facenet-pytorch and OpenCV, as tools/make_golden.py stored them."""
    limit = IMPLEMENTATIONS[name].published
    if name.startswith("yunet"):
        golden = np.load(GOLDEN / "yunet.npz")[PHOTO]
        found = of_photo(name, pyfeat_data)
        boxes, landmarks = golden[:, 1:5], golden[:, 6:].reshape(-1, 5, 2)
    else:
        golden = np.load(GOLDEN / "mtcnn.npz")[CLIP]
        golden = golden[golden[:, 0] == 0]
        (found,) = opened(name).detect(of_clip(pyfeat_data)[:1])
        boxes, landmarks = golden[:, 1:5], golden[:, 6:].reshape(-1, 5, 2)
    pairs = iou_matrix(boxes, found.boxes).argmax(axis=1)
    assert len(found) == len(golden) >= 1
    np.testing.assert_allclose(found.boxes[pairs], boxes, atol=limit)
    np.testing.assert_allclose(found.landmarks[pairs], landmarks, atol=limit)


@pytest.mark.parametrize("network", ["mtcnn", "yunet"])
def test_all_implementations_of_a_network_agree(network, pyfeat_data):
    """The cascade is written over three networks and once fused for CUDA: the same faces."""
    names = {"mtcnn": ("mtcnn-openvino-exact", "mtcnn-torch-cpu"),
             "yunet": ("yunet-openvino", "yunet-torch-cpu")}[network]  # fmt: skip
    first, second = (of_photo(name, pyfeat_data) for name in names)
    order = iou_matrix(first.boxes, second.boxes).argmax(axis=1)
    assert_same(second.pick(order), first, 0.05)


@pytest.mark.parametrize("name", [name for name in REAL if name.startswith("mtcnn")])
def test_redetects_faces_where_they_are_expected(name, pyfeat_data):
    detector = opened(name)
    assert isinstance(detector, RedetectingDetector)
    faces, image = of_photo(name, pyfeat_data), photo(pyfeat_data)
    places: Sequence[np.ndarray] = [squared(faces.boxes), np.array([[-90, -90, -50, -50]]),
                                    np.array([[5, 560, 55, 610]])]  # fmt: skip
    anchors = np.concatenate(places).astype(np.float32)
    found = detector.redetect([image, image], np.arange(len(anchors)) % 2, anchors)
    assert len(found) == len(anchors) == 7
    assert set(found.sources.tolist()) == {"refined"}
    assert (found.scores[:5] >= 0.9).all() and (found.scores[5:] == 0).all()
    assert (np.diagonal(iou_matrix(found.boxes[:5], faces.boxes)) >= 0.8).all()
    eyes = np.linalg.norm(faces.landmarks[:, 1] - faces.landmarks[:, 0], axis=1)
    distance = np.linalg.norm(found.landmarks[:5] - faces.landmarks, axis=2).max(axis=1)
    assert (distance <= 0.1 * eyes).all()
