"""A part that is cut out of a frame has its own size and its own pixels, wherever the frame is."""

import av
import numpy as np
import pytest
import torch

from facetrack.media.decode import PyavSource
from facetrack.media.frame_image import RgbImage
from facetrack.media.source import open_source
from made.media import make_film

PARTS = [
    (0, 0, 640, 360),
    (10, 20, 50, 60),
    (11, 21, 58, 64),
    (101, 33, 104, 300),
    (639, 359, 640, 360),
]
"""x1 y1 x2 y2: the whole frame, even and odd corners, narrow, one pixel."""
UPRIGHT = np.array([(1.0, 0.0, 30.0), (0.0, 1.0, 40.0)])
"""The placement of a square with its corner at 30 40, as large as its crop."""


@pytest.fixture(scope="module")
def film(pyfeat_data, tmp_path_factory):
    with av.open(str(pyfeat_data / "single_face.mp4")) as source:
        frames = [f.reformat(640, 360) for f in source.decode(video=0)][:20]
    path = tmp_path_factory.mktemp("parts") / "film.mp4"
    make_film(frames, path, 20)
    return path


@pytest.fixture(params=["rgb", "planes", "gpu"])
def image(request, film):
    if request.param == "gpu":
        if not torch.cuda.is_available():
            pytest.skip("this machine has no CUDA GPU that torch can use")
        source, decoder = open_source(film, "cuda")
        assert decoder == "nvdec"
        with source:
            return next(iter(source.frames())).image
    with PyavSource(film) as source:
        decoded = next(iter(source.frames())).image
    return RgbImage(decoded.rgb()) if request.param == "rgb" else decoded


@pytest.mark.parametrize("corners", PARTS)
def test_a_part_has_its_own_size_and_pixels(image, corners):
    x1, y1, x2, y2 = corners
    part = image.part(*corners)
    assert part.shape == (y2 - y1, x2 - x1, 3) and part.dtype == np.uint8
    assert np.abs(part.astype(int) - image.rgb()[y1:y2, x1:x2]).max() <= 4
    if hasattr(image, "cut"):
        assert np.array_equal(image.cut(*corners).rgb(), part)


@pytest.mark.parametrize("size", [112, 96])
def test_the_crops_of_a_face_have_their_sizes(image, size):
    cut = image.face_cut((30, 40, 30 + size, 40 + size), UPRIGHT, size)
    box, aligned = cut.box_crop(), cut.aligned_crop()
    assert box.shape == (160, 160, 3) and aligned.shape == (size, size, 3)
    # This placement does not scale: the aligned crop is the part itself.
    part = image.part(30, 40, 30 + size, 40 + size)
    assert np.abs(aligned.astype(int) - part).mean() <= 2
    assert np.corrcoef(box[::2, ::2].mean(axis=2).ravel(), RgbImage(part).scaled(80, 80)
                       .mean(axis=2).ravel())[0, 1] > 0.95  # fmt: skip
