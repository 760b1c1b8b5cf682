import numpy as np
import pytest

from facetrack.core.boxes import iou, iou_matrix, iou_of_pair


def boxes(random, *shape):
    corners = random.uniform(0, 200, (*shape, 2))
    sides = random.uniform(1, 200, (*shape, 2))
    return np.concatenate([corners, corners + sides], axis=-1).astype(np.float32)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 10, 10), 1),
        ((5, 0, 15, 10), 50 / 150),
        ((5, 5, 15, 15), 25 / 175),
        ((2, 2, 4, 4), 4 / 100),
        ((10, 0, 20, 10), 0),
        ((20, 20, 30, 30), 0),
        ((3, 3, 3, 3), 0),
    ],
)
def test_iou_of_two_boxes(other, expected):
    one = (0, 0, 10, 10)
    assert iou_of_pair(one, other) == iou_of_pair(other, one) == pytest.approx(expected, abs=1e-12)
    pair = np.float32(one), np.float32(other)
    assert iou(*pair) == iou(*pair[::-1]) == pytest.approx(expected, abs=1e-12)


def test_all_forms_of_iou_agree():
    random = np.random.default_rng(1)
    a, b = boxes(random, 9, 7), boxes(random, 9, 5)
    b[3] = 0
    matrices = iou_matrix(a, b)
    assert matrices.shape == (9, 7, 5)
    assert iou_matrix(a[:, :0], b).shape == (9, 0, 5)
    assert (matrices[3] == 0).all() and (matrices[0] > 0).any()
    for of_frame, one, other in zip(matrices, a, b, strict=True):
        np.testing.assert_array_equal(of_frame, iou_matrix(one, other))
        np.testing.assert_array_equal(np.diagonal(of_frame), iou(one[:5], other))
        plain = [[iou_of_pair(x, y) for y in other.tolist()] for x in one.tolist()]
        np.testing.assert_allclose(of_frame, plain, rtol=1e-5)
