"""The cascade finds facenet-pytorch's faces in real clips, whatever the batch."""

from pathlib import Path

import av
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from facetrack.core.boxes import iou_matrix
from facetrack.core.settings import DetectionSettings
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn
from facetrack.media.frame_image import RgbImage

GOLDEN = dict(np.load(Path(__file__).parent / "golden" / "mtcnn.npz"))
EVERY = 4
CONFIDENT = 0.95
PYFEAT_CLIPS = [
    "WolfgangLanger_Pexels.mp4", "face_noface.mov", "no_face.mp4", "noface_face.mov",
    "single_face.mp4",
]  # fmt: skip
SHARED_CLIPS = [
    "concert_cuts.mp4", "crowd_1080p.mp4", "man_a.mp4", "man_b.mp4", "woman_c.mp4",
]  # fmt: skip


@pytest.fixture(scope="module")
def engine():
    exact = DetectionSettings(detector="mtcnn", dense=True, min_face=20)
    return OpenVinoMtcnn(exact, "f32")


def frames(clip: Path):
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % EVERY == 0:
                yield index, RgbImage(frame.to_ndarray(format="rgb24"))


def compare(clip: Path, engine):
    """IoU of each confident box of either implementation with its partner; 0 where it has none.

    And of each pair the largest distance of a landmark, in widths of the box.
    """
    reference = GOLDEN[clip.name]
    ours_matched, theirs_matched, distances = [], [], []
    indices, images = zip(*frames(clip), strict=True)
    for index, faces in zip(indices, engine.detect(images), strict=True):
        theirs = reference[reference[:, 0] == index]
        iou = iou_matrix(theirs[:, 1:5], faces.boxes)
        rows, columns = linear_sum_assignment(-iou)
        best_theirs, best_ours = np.zeros(len(theirs)), np.zeros(len(faces))
        best_theirs[rows] = iou[rows, columns]
        best_ours[columns] = iou[rows, columns]
        near = iou[rows, columns] >= 0.9
        points = theirs[rows[near], 6:].reshape(-1, 5, 2) - faces.landmarks[columns[near]]
        widths = theirs[rows[near], 3] - theirs[rows[near], 1]
        distances += list(np.linalg.norm(points, axis=2).max(axis=1, initial=0) / widths)
        theirs_matched += list(best_theirs[theirs[:, 5] >= CONFIDENT])
        ours_matched += list(best_ours[faces.scores >= CONFIDENT])
    return np.array(theirs_matched), np.array(ours_matched), np.array(distances)


def check(found):
    for name, sides in found.items():
        for matched in sides[:2]:
            share = (matched >= 0.9).mean() if len(matched) else 1.0
            print(f"{name}: {len(matched)} boxes, {share:.4f} matched")
            assert share >= 0.97, name
    for side in (0, 1):
        of_all = np.concatenate([sides[side] for sides in found.values()])
        assert len(of_all) > 100
        assert (of_all >= 0.9).mean() >= 0.99
        assert np.median(of_all) >= 0.98
    distances = np.concatenate([sides[2] for sides in found.values()])
    assert np.median(distances) <= 0.001
    assert (distances <= 0.02).mean() >= 0.97


def test_same_faces_as_facenet_pytorch_on_pyfeat_clips(pyfeat_data, engine):
    """99 % of confident boxes matched both ways at IoU 0.9, no clip under 97 %."""
    check({name: compare(pyfeat_data / name, engine) for name in PYFEAT_CLIPS})


def test_same_faces_as_facenet_pytorch_on_shared_clips(shared_media, engine):
    check({name: compare(shared_media / name, engine) for name in SHARED_CLIPS})


def test_a_batch_gives_what_single_frames_give(pyfeat_data, engine):
    images = [image for _, image in frames(pyfeat_data / "single_face.mp4")][:5]
    in_one_batch = engine.detect(images)
    for image, faces in zip(images, in_one_batch, strict=True):
        alone = next(engine.detect([image]))
        assert len(alone) == len(faces) == 1
        np.testing.assert_allclose(alone.boxes, faces.boxes, atol=1e-2)
        np.testing.assert_allclose(alone.landmarks, faces.landmarks, atol=1e-2)
