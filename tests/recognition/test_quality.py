"""Quality of faces, and crops that are brightened where they are dark."""

import numpy as np
import pytest

from facetrack.recognition.quality import (
    BRIGHT,
    DARK,
    brightness,
    normalised_light,
    pose_quality,
)
from made.simple_faces import box, faces


def face_like(mean: float, noise: float, seed: int = 0) -> np.ndarray:
    """``(112, 112, 3)`` uint8: a soft pattern of this mean brightness, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:112, 0:112] / 112
    pattern = 1 + 0.5 * np.sin(6 * x) * np.cos(5 * y)
    image = mean * pattern[..., None] * np.array([1.1, 1.0, 0.8])
    return np.clip(image + rng.normal(0, noise, image.shape) + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("mean", [65, 110, 200])
def test_a_bright_crop_is_returned_itself(mean: float) -> None:
    crop = face_like(mean, 3)
    assert brightness(crop) >= DARK
    assert normalised_light(crop) is crop


@pytest.mark.parametrize("mean", [15, 30, 50])
def test_a_dark_crop_gets_the_usual_brightness(mean: float) -> None:
    crop = face_like(mean, 0)
    light = normalised_light(crop)
    assert light.shape == crop.shape and light.dtype == np.uint8
    assert brightness(light) == pytest.approx(BRIGHT, abs=3)


def test_noise_grows_less_than_brightness() -> None:
    clean, noisy = face_like(20, 0), face_like(20, 4)
    before = (noisy.astype(float) - clean).std()
    after = (normalised_light(noisy).astype(float) - normalised_light(clean)).std()
    gain = BRIGHT / brightness(noisy)
    assert after < 0.4 * gain * before


def test_black_stays_black() -> None:
    crop = np.zeros((160, 160, 3), np.uint8)
    assert not normalised_light(crop).any()


def test_the_pose_of_each_face_is_judged_for_itself():
    found = faces(box(0), box(0), box(0), (0, 0, 200, 240))
    points = found.landmarks.copy()
    points[1, 2] = points[1, 0]  # the nose before an eye
    points[2, 1] = points[2, 0]  # one eye behind the other
    half = 50 / 120
    expected = [half * 0.99, half * 0.25 * 0.99, half * 0.25 * 0.99, 0.99]
    np.testing.assert_allclose(pose_quality(found.boxes, points, found.scores), expected, rtol=1e-6)
