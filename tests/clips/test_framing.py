"""The camera's path: where the eyes are, how calm it is, and that it never leaves the frame."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from facetrack.clips.camera.crop_path import (
    MAX_ACCELERATION,
    MAX_GROWTH,
    MAX_GROWTH_ACCELERATION,
    MAX_SPEED,
    WHOLE_FROM,
    crop_path,
)
from facetrack.clips.camera.framing import ZOOMS, Framing
from facetrack.clips.camera.layout import panels_of
from facetrack.clips.camera.smoothing import bridged, no_faster, outliers, smoothed, taut_string
from facetrack.clips.plan.clip import Segment
from facetrack.core.errors import UsageError
from facetrack.core.frame_range import FrameRange
from facetrack_bench.smoothers import compare

ASPECTS = (Fraction(1), Fraction(9, 16), Fraction(4, 5), Fraction(16, 9))
SIZE = (1920, 1080)
FPS = 25


def faces_at(x, y, height):
    """Boxes and landmarks of faces whose eyes are at ``x, y``; three quarters as wide as high."""
    x, y, height = np.broadcast_arrays(*(np.asarray(v, float) for v in (x, y, height)))
    top = y - 0.385 * height
    boxes = np.stack([x - 0.375 * height, top, x + 0.375 * height, top + height], axis=1)
    across = np.array([-0.2, 0.2, 0.0, -0.15, 0.15])
    below = np.array([0.0, 0.0, 0.2, 0.38, 0.38])
    points = np.stack(
        [x[:, None] + across * height[:, None], y[:, None] + below * height[:, None]], axis=2
    )
    return boxes, points


def path_of(x, y, height, framing=None, known=None, shots=(), image=SIZE, times_s=None):
    boxes, points = faces_at(x, y, height)
    known = np.arange(len(boxes)) if known is None else np.asarray(known)
    times_s = np.arange(known[-1] + 1) / FPS if times_s is None else times_s
    framing = framing or Framing(Fraction(1))
    return crop_path(times_s, known, boxes, points, shots, image, framing)


def assert_inside(path, image, aspect):
    corners = np.concatenate([path[:, :2] - path[:, 2:] / 2, image - path[:, :2] - path[:, 2:] / 2])
    assert corners.min() >= -1e-6
    off = np.abs(path[:, 2] - path[:, 3] * float(aspect)) / max(1, aspect)
    still = (path == path[0]).all()
    assert (off <= (2 if still else 1e-6)).all()
    if still and path[0, 2:].min() >= WHOLE_FROM:  # on pixels of luma and chroma
        assert not np.any(np.c_[path[:, :2] - path[:, 2:] / 2, path[:, 2:]] % 2)


def assert_calm(path, cuts=()):
    """Speed and acceleration within their bounds, but for the steps over cuts."""
    sides = path[:, 2:].min(axis=1)
    speed = np.diff(path[:, :2], axis=0) * FPS / np.minimum(sides[1:], sides[:-1])[:, None]
    growth = np.diff(np.log(path[:, 3])) * FPS
    smooth = ~np.isin(np.arange(1, len(path)), cuts)
    both = smooth[1:] & smooth[:-1]
    assert np.abs(speed[smooth]).max() <= MAX_SPEED * (1 + 1e-3)
    assert np.abs(growth[smooth]).max() <= MAX_GROWTH * (1 + 1e-3)
    if both.any():
        bend = np.diff(path[:, :2], 2, axis=0) * FPS**2 / sides[1:-1, None]
        assert np.abs(bend[both]).max() <= MAX_ACCELERATION * (1 + 1e-2)
        assert np.abs(np.diff(growth)[both]).max() * FPS <= MAX_GROWTH_ACCELERATION * (1 + 1e-2)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_the_eyes_lie_where_an_operator_has_them(aspect):
    """Hair (0.7 face heights above the eyes) has air above it, but in a close-up of the face."""
    for zoom, eye_lines in (("face", (0.37, 0.43)), ("head", (0.35, 0.41)), ("bust", (0.32, 0.34))):
        path = path_of([960] * 30, 500, 120, Framing(aspect, zoom))
        x, y, width, height = path[0]
        eyes = (500 - (y - height / 2)) / height
        assert eye_lines[0] <= eyes <= eye_lines[1]
        assert x == pytest.approx(960, abs=1)
        assert width >= ZOOMS[zoom][1] * 120 - 1
        assert height >= ZOOMS[zoom][0] * 120 - 1
        hair = (500 - 0.7 * 120 - (y - height / 2)) / height
        assert hair > (-0.03 if zoom == "face" else 0.06)


def test_head_room_and_the_view_grow_from_face_to_bust():
    heights = [path_of([960] * 5, 500, 120, Framing(Fraction(1), z))[0, 3] for z in ZOOMS]
    np.testing.assert_allclose(heights, [1.6 * 120, 2.2 * 120, 3.6 * 120])


def test_a_zoom_that_is_none_is_said():
    with pytest.raises(UsageError, match="face, head, bust"):
        Framing(Fraction(1), "close")


def test_landmarks_that_lie_elsewhere_are_not_believed():
    boxes, points = faces_at([960] * 10, 500, 120)
    times_s = np.arange(10) / FPS
    args = (times_s, np.arange(10), boxes)
    right = crop_path(*args, points, (), SIZE, Framing(Fraction(1)))
    wrong = crop_path(*args, np.zeros_like(points), (), SIZE, Framing(Fraction(1)))
    np.testing.assert_allclose(right, wrong, atol=5)


def test_nearly_still_is_still():
    random = np.random.default_rng(1)
    sway = 6 * np.sin(np.arange(200) / 15)
    path = path_of(960 + sway + random.normal(0, 1.5, 200), 500 + random.normal(0, 1.5, 200), 200)
    assert np.ptp(path, axis=0).max() == 0
    assert path[0, 0] == pytest.approx(960, abs=3)


def walks(seed, n=300):
    """Faces that do what faces do, and what only a wrong detection does."""
    random = np.random.default_rng(seed)
    yield random.normal(0, 1, n).cumsum() * 12 + 960, random.normal(0, 1, n).cumsum() * 6 + 540, 120
    yield np.where(np.arange(n) < n // 2, 200, 1700), 500.0, 90
    yield np.linspace(-50, 1970, n), 540 + 100 * np.sin(np.arange(n) / 5), np.linspace(40, 900, n)
    yield random.uniform(0, 1920, n), random.uniform(0, 1080, n), random.uniform(30, 800, n)
    yield 960 + 900 * np.sin(np.arange(n) / 8), 540.0, 150 * np.exp(np.sin(np.arange(n) / 20))


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_bounded_speed_and_acceleration_inside_the_frame(aspect, adaptive):
    for seed in range(3):
        for zoom in ZOOMS:
            for x, y, height in walks(seed):
                path = path_of(x, y, height, Framing(aspect, zoom, adaptive))
                assert_inside(path, SIZE, aspect)
                assert_calm(path)
                if not adaptive:
                    assert np.ptp(path[:, 3]) == 0


def test_the_size_follows_when_adaptive_and_the_median_when_not():
    height = np.linspace(100, 200, 150)
    adaptive = path_of([960] * 150, 500, height, Framing(Fraction(1), "head", True))
    assert adaptive[10, 3] == pytest.approx(2.2 * height[10], rel=0.1)
    assert adaptive[-10, 3] == pytest.approx(2.2 * height[-10], rel=0.1)
    constant = path_of([960] * 150, 500, height)
    np.testing.assert_allclose(constant[:, 3], 2.2 * 150)


def test_time_turned_round_gives_the_same_path():
    """So there is no lag."""
    for x, y, height in walks(7):
        x, y, height = np.broadcast_arrays(x, y, height)
        for adaptive in (False, True):
            framing = Framing(Fraction(4, 5), "head", adaptive)
            there = path_of(x, y, height, framing)
            back = path_of(x[::-1], y[::-1], height[::-1], framing)
            np.testing.assert_allclose(there, back[::-1], atol=1e-6)


def test_motion_is_followed_without_lag_and_noise_is_not():
    random = np.random.default_rng(0)
    x = 960 + 500 * np.sin(np.arange(250) / 25)
    noisy = x + random.normal(0, 4, 250)
    path = path_of(noisy, 500, 150)
    jitter = np.abs(np.diff(path[:, 0], 2)).mean()
    assert jitter < 0.1 * np.abs(np.diff(noisy, 2)).mean()
    off = [np.abs(path[10 + k : 240 + k, 0] - x[10:240]).mean() for k in (-3, 0, 3)]
    assert off[1] < min(off[0], off[2])


def test_a_walk_through_the_frame_keeps_the_face_in_the_crop():
    """As measured: 37 pixels a frame, a face of 134."""
    x = np.linspace(300, 300 + 37 * 34, 35)
    for aspect in ASPECTS:
        path = path_of(x, 600, 134, Framing(aspect, "face"))
        assert (np.abs(path[:, 0] - x) < path[:, 2] * 0.15).all()


def test_an_outlier_is_no_motion():
    x, height = np.full(60, 900.0), np.full(60, 120.0)
    steady = path_of(x, 500, height)
    x[20:22], height[20:22] = 1500, 300
    np.testing.assert_allclose(path_of(x, 500, height), steady)
    assert outliers(np.arange(60) / FPS, x, 30).sum() == 2


def test_a_fast_walk_has_no_outliers():
    times_s = np.arange(30) / FPS
    assert not outliers(times_s, 40.0 * np.arange(30), 30).any()


def test_a_short_gap_is_crossed_and_a_long_one_held():
    at_s, values = np.array([0.0, 1.0, 1.5, 6.0]), np.array([0.0, 0.0, 10.0, 50.0])
    times_s = np.array([0.5, 1.25, 3.0, 4.5, 5.0, 5.5, 6.0, 7.0])
    np.testing.assert_allclose(bridged(times_s, at_s, values), [0, 5, 10, 10, 30, 50, 50, 50])


def test_who_is_off_screen_keeps_the_last_framing():
    known = np.concatenate([np.arange(50), np.arange(150, 200)])
    x = np.where(known < 100, 500, 1400)
    path = path_of(x, 500, 120, known=known)
    near = 0.05 * path[0, 3] + 1
    assert path[80, 0] == pytest.approx(500, abs=near)
    assert path[150, 0] == pytest.approx(1400, abs=2 * near)
    assert_calm(path)


def test_the_path_starts_anew_at_a_cut():
    x = np.repeat([400, 1500, 900], [40, 1, 40])
    height = np.repeat([100, 300, 150], [40, 1, 40])
    for adaptive in (False, True):
        path = path_of(x, 500, height, Framing(Fraction(1), "face", adaptive), shots=[0, 40, 41])
        np.testing.assert_allclose(path[:, 0], x, atol=1)
        np.testing.assert_allclose(path[:, 3], 1.6 * height, atol=1)
        assert_calm(path, cuts=[40, 41])


def test_a_shot_without_the_face_keeps_the_nearest_framing():
    path = path_of([400] * 10 + [1500] * 10, 500, 100, known=[*range(10, 20), *range(60, 70)],
                   shots=[10, 20, 35, 60], times_s=np.arange(80) / FPS)  # fmt: skip
    np.testing.assert_allclose(path[:20], path[[10] * 20])  # before the first: as it will be
    np.testing.assert_allclose(path[20:35], path[[19] * 15])
    np.testing.assert_allclose(path[35:60], path[[60] * 25])  # nearer to the next
    np.testing.assert_allclose(path[70:], path[[69] * 10])


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_what_does_not_fit(aspect, adaptive):
    """Faces half outside, larger than the frame, a tiny frame, a single frame."""
    for zoom in ZOOMS:
        framing = Framing(aspect, zoom, adaptive)
        for x, y, height, image in (
            (-20, 500, 300, SIZE), (1930, 1100, 300, SIZE), (960, 540, 2500, SIZE),
            (40, 20, 70, (97, 53)), (40, 20, 5, (97, 53)), (30, 400, 60, (64, 800)),
        ):  # fmt: skip
            for frames in (1, 2, 3, 40):
                path = path_of([x] * frames, y, height, framing, image=image)
                assert np.isfinite(path).all()
                assert_inside(path, image, aspect)
                assert (path[:, 2:] > 0).all()


def test_of_a_face_that_does_not_fit_the_middle_is_shown():
    _, y, _, height = path_of([960] * 9, 500, 1000, Framing(Fraction(16, 9)), image=(1280, 1080))[0]
    assert height == 720
    assert y == pytest.approx(500 + 0.115 * 1000, abs=15)


def test_a_variable_frame_rate():
    random = np.random.default_rng(3)
    times_s = np.cumsum(random.choice([0.01, 0.04, 0.3], 200))
    x = 900 + 400 * np.sin(times_s / 2)
    for adaptive in (False, True):
        path = path_of(x, 500, 150, Framing(Fraction(1), "head", adaptive), times_s=times_s)
        assert_inside(path, SIZE, 1)
        speed = np.abs(np.diff(path[:, 0]) / np.diff(times_s)) / path[1:, 3]
        assert speed.max() <= MAX_SPEED * 1.01
        assert np.abs(path[:, 0] - x).max() < 0.2 * 2.2 * 150


def test_frames_at_one_time():
    times_s = np.repeat(np.arange(30), 2) / FPS
    path = path_of(np.linspace(300, 1500, 60), 500, 150, times_s=times_s)
    assert_inside(path, SIZE, 1)


@pytest.mark.parametrize("step_s", [0.0, 1e-9, 1e-6])
def test_all_frames_at_one_time(step_s):
    """As folders of earlier versions have them: windows of seconds stay finite."""
    times_s = 5 + step_s * np.arange(200)
    path = path_of(np.linspace(300, 1500, 200), 500, 150, times_s=times_s)
    assert_inside(path, SIZE, 1)
    noise = np.random.default_rng(1).normal(0, 1, 200)
    ones = np.ones(200)
    assert np.isfinite(smoothed(times_s, noise, 0.1 * ones, ones, 0.3)).all()
    assert not outliers(times_s, 0 * noise, 1.0).any()


def test_the_taut_string_moves_as_little_as_can_be():
    """The least sum of steps is known from a linear programme."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        n = int(random.integers(2, 60))
        middle = random.normal(0, 1, n).cumsum()
        half = random.uniform(0.1, 2, n)
        string = taut_string(np.cumsum(random.uniform(0.1, 1, n)), middle - half, middle + half)
        assert (np.abs(string - middle) <= half + 1e-9).all()
        step = np.eye(n)[1:] - np.eye(n)[:-1]
        up = np.eye(n - 1)
        least = linprog(
            np.r_[np.zeros(n), np.ones(n - 1)],
            A_ub=np.block([[step, -up], [-step, -up]]),
            b_ub=np.zeros(2 * n - 2),
            bounds=[*zip(middle - half, middle + half, strict=True), *[(0, None)] * (n - 1)],
        ).fun
        assert np.abs(np.diff(string)).sum() == pytest.approx(least, abs=1e-6)


def test_the_string_is_straight_between_its_bends():
    times_s = np.arange(100.0)
    string = taut_string(times_s, 2 * times_s - 1, 2 * times_s + 1)
    np.testing.assert_allclose(np.diff(string, 2)[2:-2], 0, atol=1e-9)
    assert (np.abs(string - 2 * times_s) <= 1 + 1e-9).all()


def test_a_slower_line_is_the_nearest_there_is():
    random = np.random.default_rng(5)
    times_s, values = np.arange(80) / 10, random.normal(0, 3, 80).cumsum()
    slow = no_faster(times_s, values, np.full(80, 20.0))
    assert np.abs(np.diff(slow)).max() <= 2 + 1e-9
    # Two values too far apart for the speed lie off any slow line by half of what is too much.
    much = np.abs(values[:, None] - values) - 20 * np.abs(times_s[:, None] - times_s)
    assert np.abs(slow - values).max() == pytest.approx(much.max() / 2)


@pytest.fixture(scope="module")
def talking(pyfeat_data, analysed):
    """A woman who speaks, weeps and laughs, her face as high as the frame."""
    return analysed(pyfeat_data / "WolfgangLanger_Pexels.mp4")


def test_a_real_face(talking):
    frames = np.arange(len(talking.frame_times), dtype=np.int32)
    segment = Segment((1,), 1, (FrameRange(0, len(frames), 0.0, talking.info.duration_s),))
    image = (talking.info.width, talking.info.height)
    for aspect, size in ((Fraction(1), (512, 512)), (Fraction(9, 16), (288, 512))):
        for zoom in ZOOMS:
            framing = Framing(aspect, zoom)
            (panel,) = panels_of(
                "single", segment, frames, talking.frame_times, talking, framing, size
            )
            assert_inside(panel.crops, image, aspect)
            faces = talking.faces
            middle = (faces["x1"].to_numpy() + faces["x2"].to_numpy()) / 2
            left = panel.crops[faces["frame"].to_numpy(), 0]
            assert np.abs(left - middle).max() < 0.15 * panel.crops[0, 2]


def test_smoothers_side_by_side(talking):
    figures = compare(talking, "head")
    ours = next(row for name, row in figures.items() if "ours" in name)
    plain = figures["median, Gaussian 0.5 s"]
    assert ours["jitter_percent"] < plain["jitter_percent"] / 5
    assert ours["still_percent"] > 2 * plain["still_percent"]
    assert ours["error_percent"] < 4
    assert figures["none"]["error_percent"] == 0
