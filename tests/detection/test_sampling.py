"""Crops by few samples, and smaller frames by libswscale: close to exact area means."""

import numpy as np
import pytest

from facetrack.detection.mtcnn.openvino import area_resized
from facetrack.media.decode import PyavSource
from facetrack.media.frame_image import RgbImage
from facetrack.media.sampling import thumbnails

PARTS = np.array(
    [[100, 40, 148, 88], [201, 33, 280, 131], [0, 0, 640, 360], [350, 111, 371, 140]], np.int32
)
"""As large as the crop, twice as large, the whole frame, smaller than the crop."""


@pytest.fixture(scope="module")
def images(pyfeat_data):
    """The same frames in the decoder's planes and in RGB."""
    with PyavSource(pyfeat_data / "WolfgangLanger_Pexels.mp4") as source:
        planar = [f.image for f in source.frames(0.0, 0.3)]
    return planar, [RgbImage(p.rgb()) for p in planar]


@pytest.mark.parametrize("kind", [0, 1])
def test_crops_are_near_the_area_means(images, kind):
    of_image = np.array([0, 1, 1, 2])
    crops = thumbnails(images[kind], of_image, PARTS, 48)
    for crop, corners, k in zip(crops, PARTS.tolist(), of_image, strict=True):
        exact = area_resized(images[0][k].part(*corners), 48)
        assert np.abs(crop - exact).mean() < 4
        assert (
            np.corrcoef(crop.ravel(), exact.ravel())[0, 1] > 0.98
        )  # the whole frame, by four samples of 13 pixels


def test_a_crop_does_not_depend_on_what_is_made_with_it(images):
    of_image = np.array([2, 0, 1, 1])
    in_one_call = thumbnails(images[0], of_image, PARTS, 48)
    for i in range(len(PARTS)):
        alone = thumbnails(images[0], of_image[i : i + 1], PARTS[i : i + 1], 48)
        assert np.array_equal(in_one_call[i], alone[0])


@pytest.mark.parametrize("kind", [0, 1])
def test_a_smaller_frame_is_near_the_area_means(images, kind):
    height, width = images[0][0].shape
    smaller = images[kind][0].scaled(height // 3, height // 3)
    exact = area_resized(images[0][0].part(0, 0, width, height), height // 3)
    assert smaller.shape == exact.shape
    assert np.abs(smaller - exact).mean() < 2
