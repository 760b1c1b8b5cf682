"""Which person is shown where; crops as a table that users edit; drawing onto the source."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facetrack.clips.camera.crops import COLUMNS, read_crops, write_crops
from facetrack.clips.camera.framing import Framing
from facetrack.clips.camera.layout import frame_size, panels_of, places
from facetrack.clips.plan.clip import Clip, Segment
from facetrack.clips.render.overlay import Overlay
from facetrack.core.errors import InputError, UsageError
from facetrack.core.frame_range import FrameRange
from facetrack.core.types import VideoInfo
from facetrack.timeline import FACE_COLUMNS, Analysis, Person, Shot

WIDTH, HEIGHT, FPS = 1280, 720, 25
ASPECTS = [Fraction(1), Fraction(9, 16), Fraction(4, 5), Fraction(16, 9)]


def analysis_of(appearances, frames=100, shots=(0,), first_frame=0):
    """``appearances``: person, track, first and end frame, x of the face's middle, its height."""
    rows = []
    for person, track, start, end, x, height in appearances:
        for frame in range(start, end):
            box = [x - 0.4 * height, 300 - 0.4 * height, x + 0.4 * height, 300 + 0.6 * height]
            points = [x - 15, 300, x + 15, 300, x, 315, x - 12, 330, x + 12, 330]
            rows.append([frame, frame / FPS, track, person, *box, 0.99, points, "detected"])
    rows.sort(key=lambda row: (row[0], row[2]))
    columns = zip(*rows, strict=True)
    ends = [*shots[1:], first_frame + frames]
    return Analysis(
        info=VideoInfo(
            Path("film.mp4"), WIDTH, HEIGHT, 0, frames, Fraction(FPS), frames / FPS, False, "h264"
        ),
        people=[Person(p, f"Person {p}", 1, 1.0, 0.0, 1.0, None) for p in {r[3] for r in rows}],
        tracks=[],
        intervals=[],
        shots=[Shot(a, b) for a, b in zip(shots, ends, strict=True)],
        dropped=[],
        faces=pa.Table.from_arrays(
            [pa.array(c, f.type) for c, f in zip(columns, FACE_COLUMNS, strict=True)],
            schema=FACE_COLUMNS,
        ),
        frame_times=np.arange(first_frame, first_frame + frames) / FPS,
        first_frame=first_frame,
        embeddings={},
    )


def panels(mode, people, analysis, frames=None, ranges=None, size=(1280, 720), zoom="head"):
    frames = np.arange(100) if frames is None else np.asarray(frames)
    ranges = ranges or [(0, 100)]
    segment = Segment(
        tuple(people), 1, tuple(FrameRange(a, b, a / FPS, b / FPS) for a, b in ranges)
    )
    framing = Framing(Fraction(*size), zoom)
    return panels_of(mode, segment, frames.astype(np.int32), frames / FPS, analysis, framing, size)


TWO = [(1, 1, 0, 100, 300, 100), (2, 2, 0, 100, 900, 120)]


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("shorter", [64, 360, 1080])
def test_panels_fill_the_frame(aspect, shorter):
    size = frame_size(aspect, shorter)
    assert min(size) == shorter
    assert size[0] / size[1] == pytest.approx(float(aspect), rel=0.03)
    for count in range(1, 5):
        seen = np.zeros(size[::-1], int)
        for x, y, width, height in places(count, size):
            assert not any(v % 2 for v in (x, y, width, height))
            seen[y : y + height, x : x + width] += 1
        assert (seen == 1).all()


def test_two_people_side_by_side_or_one_above_the_other():
    wide, upright = (
        panels("split", [1, 2], analysis_of(TWO)),
        panels("split", [2, 1], analysis_of(TWO), size=(720, 1280)),
    )
    assert [p.place for p in wide] == [(0, 0, 640, 720), (640, 0, 640, 720)]
    assert [p.place for p in upright] == [(0, 0, 720, 640), (0, 640, 720, 640)]
    assert [set(p.people) for p in upright] == [{2}, {1}]
    for panel, x in zip(wide, (300, 900), strict=True):
        np.testing.assert_allclose(panel.crops[:, 0], x, atol=1)
        np.testing.assert_allclose(panel.crops[:, 2] / panel.crops[:, 3], 640 / 720, rtol=0.01)
    # The same share of the panel: both heads are of one size.
    heads = [h / panel.crops[0, 3] for h, panel in zip((100, 120), wide, strict=True)]
    assert heads[0] == pytest.approx(heads[1], rel=0.01)


def test_four_in_a_grid():
    four = [(p, p, 0, 100, 200 * p, 80) for p in range(1, 5)]
    found = panels("grid", [3, 1, 4, 2], analysis_of(four))
    assert [p.place for p in found] == [
        (0, 0, 640, 360), (640, 0, 640, 360), (0, 360, 640, 360), (640, 360, 640, 360)
    ]  # fmt: skip
    assert [int(p.people[0]) for p in found] == [3, 1, 4, 2]
    assert [round(p.crops[0, 0], -1) for p in found] == [600, 200, 800, 400]


def test_who_leaves_in_a_split_is_waited_for():
    analysis = analysis_of([TWO[0], (2, 2, 20, 50, 900, 120)])
    away = panels("split", [1, 2], analysis)[1]
    np.testing.assert_allclose(away.crops, away.crops[[0] * 100], atol=1e-6)


def test_who_is_not_in_the_clip_is_framed_as_last_seen():
    analysis = analysis_of([(1, 1, 0, 300, 300, 100), (2, 2, 10, 90, 900, 120)], 300)
    frames = np.arange(100, 300)
    late = panels("split", [1, 2], analysis, frames, [(100, 300)])[1]
    np.testing.assert_allclose(late.crops[:, 0], 900, atol=1)
    with pytest.raises(InputError, match="person 7"):
        panels("single", [7], analysis)


def test_in_a_shot_without_them_their_last_frame_is_held():
    analysis = analysis_of(
        [(1, 1, 0, 90, 300, 100), (2, 2, 30, 50, 900, 120), (2, 3, 80, 85, 700, 120)],
        shots=[0, 30, 60, 75],
    )
    here, gone = panels("split", [1, 2], analysis)
    assert np.isnan(here.still_s).all()
    # Before the first: their first one. In a shot in which they are seen, the video goes on.
    held = np.repeat([30.0, np.nan, 49, np.nan], [30, 30, 15, 25]) / FPS
    np.testing.assert_allclose(gone.still_s, held)
    np.testing.assert_allclose(gone.crops[:, 0], np.repeat([900.0, 700], [75, 25]), atol=1)


def test_a_still_may_be_from_elsewhere_in_the_film():
    analysis = analysis_of([(1, 1, 0, 100, 300, 100), (2, 2, 0, 20, 900, 120)], shots=[0, 50])
    same, other = (
        panels("split", [1, 2], analysis, np.arange(a, b), [(a, b)])[1]
        for a, b in ((30, 50), (60, 80))
    )
    assert np.isnan(same.still_s).all()
    np.testing.assert_allclose(other.still_s, 19 / FPS)
    for panel in (same, other):
        np.testing.assert_allclose(panel.crops[:, 0], 900, atol=1)


def test_a_shot_without_anybody_is_shown_as_wide_as_fits():
    analysis = analysis_of([(1, 1, 0, 40, 300, 100)], shots=[0, 40])
    for mode in ("single", "follow"):
        (panel,) = panels(mode, [1], analysis, size=(360, 640))
        assert np.isnan(panel.still_s).all()
        np.testing.assert_allclose(panel.crops[:40, 0], 300, atol=1)
        np.testing.assert_allclose(panel.crops[40:], [[640, 360, 405, 720]] * 60, atol=1)


def test_follow_cuts_between_people_at_shots_alone():
    analysis = analysis_of(
        [
            (1, 1, 0, 100, 300, 100),
            (2, 2, 15, 40, 900, 150),  # larger, but not long enough
            (2, 3, 40, 60, 950, 150),  # the larger one of the shot
            (3, 4, 60, 80, 700, 400),  # not among the chosen
        ],
        shots=[0, 40, 60, 80],
    )
    (panel,) = panels("follow", [1, 2], analysis)
    assert panel.people.tolist() == [1] * 40 + [2] * 20 + [1] * 40
    np.testing.assert_allclose(panel.crops[40:60, 0], 950, atol=1)


def test_follow_stays_where_nobody_is():
    shots = [0, 30, 60]
    analysis = analysis_of([(1, 1, 60, 100, 300, 100), (2, 2, 0, 30, 900, 100)], shots=shots)
    (panel,) = panels("follow", [1, 2], analysis)
    assert panel.people.tolist() == [2] * 60 + [1] * 40


def test_clip_frames_that_repeat_or_leave_out_source_frames():
    analysis = analysis_of([(1, 1, 0, 100, 300, 100)])
    frames = np.repeat(np.arange(0, 100, 3), 2)
    (panel,) = panels("single", [1], analysis, frames)
    assert panel.crops.shape == (68, 4)
    assert np.array_equal(panel.crops[::2], panel.crops[1::2])


def test_joined_ranges_are_a_cut():
    analysis = analysis_of([(1, 1, 0, 40, 300, 100), (1, 2, 60, 100, 900, 100)])
    frames = np.r_[0:40, 60:100]
    (panel,) = panels("single", [1], analysis, frames, [(0, 40), (60, 100)])
    np.testing.assert_allclose(panel.crops[:, 0], np.repeat([300, 900], 40), atol=1)


def test_someone_in_a_mirror_is_followed_where_they_are_longer():
    analysis = analysis_of([(1, 1, 30, 40, 900, 200), (1, 2, 0, 100, 300, 100)])
    (panel,) = panels("single", [1], analysis)
    np.testing.assert_allclose(panel.crops[:, 0], 300, atol=1)


def test_a_clip_of_one_frame():
    analysis = analysis_of([(1, 1, 50, 51, 300, 100)])
    (panel,) = panels("single", [1], analysis, [50], [(50, 51)])
    assert panel.crops.shape == (1, 4)
    assert panel.crops[0, 0] == pytest.approx(300, abs=1)


def test_an_analysis_that_starts_later():
    analysis = analysis_of([(1, 1, 50, 150, 300, 100)], first_frame=50, shots=[50, 100])
    (panel,) = panels("single", [1], analysis, np.arange(60, 140), [(60, 140)])
    np.testing.assert_allclose(panel.crops[:, 0], 300, atol=1)


@pytest.mark.parametrize("mode", ["single", "each", "split", "grid"])
def test_too_many_people_are_said(mode):
    with pytest.raises(UsageError, match=mode):
        panels(mode, range(1, 6), analysis_of(TWO))
    with pytest.raises(UsageError, match="follow"):
        panels("around", [1], analysis_of(TWO))


def clips_of():
    """Two clips: one of two panels and joined ranges, one with a rate of its own."""
    random = np.random.default_rng(0)
    analysis = analysis_of(
        [(1, 1, 0, 100, 317.3, 101.7), (2, 2, 0, 70, 900.1, 119.3)], shots=[0, 70]
    )
    frames = np.r_[5:45, 60:90]
    split = panels("split", [1, 2], analysis, frames, [(5, 45), (60, 90)])
    edges = np.cumsum(np.r_[0, random.uniform(0.03, 0.05, 70)])
    ranges = (FrameRange(5, 45, 0.1 + 0.2, 1.8), FrameRange(60, 90, 2.4, 3.6))
    first = Clip(
        Path("clips/split/split_0001.mp4"), Segment((1, 2), 1, ranges), (1280, 720),
        frames.astype(np.int32), frames / FPS, edges, split,
    )  # fmt: skip
    frames = np.repeat(np.arange(50, 60), 3)
    single = panels("single", [2], analysis, frames, [(50, 60)], (360, 640))
    second = Clip(
        Path("clips/person_02/person_02_0003.mov"),
        Segment((2,), 3, (FrameRange(50, 60, 2.0, 2.4),)),
        (360, 640), frames.astype(np.int32), frames / FPS, np.arange(31) / 75, single,
    )  # fmt: skip
    return [first, second]


def assert_same(found, wanted):
    assert (found.path, found.segment, found.size) == (wanted.path, wanted.segment, wanted.size)
    for name in ("frames", "source_s", "edges_s"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))
        assert getattr(found, name).dtype == getattr(wanted, name).dtype
    assert len(found.panels) == len(wanted.panels)
    for a, b in zip(found.panels, wanted.panels, strict=True):
        assert a.place == b.place
        assert np.array_equal(a.people, b.people)
        assert np.array_equal(a.crops, b.crops)
        assert np.array_equal(a.still_s, b.still_s, equal_nan=True)


def test_crops_come_back_exactly(tmp_path):
    clips = clips_of()
    write_crops(tmp_path / "crops.parquet", clips, {"zoom": "head"})
    for image in (None, (WIDTH, HEIGHT)):
        for found, wanted in zip(read_crops(tmp_path / "crops.parquet", image), clips, strict=True):
            assert_same(found, wanted)
    assert list(tmp_path.iterdir()) == [tmp_path / "crops.parquet"]


def edited(tmp_path, change):
    """The file after people changed its columns; schema, types and order as pandas leaves them."""
    path = tmp_path / "crops.parquet"
    write_crops(path, clips_of(), {})
    columns = {
        n: c.to_numpy().copy() for n, c in zip(COLUMNS.names, pq.read_table(path), strict=True)
    }
    columns["mine"] = np.arange(len(columns["x"]))
    kept = change(columns)
    table = pa.table(columns)
    pq.write_table(table if kept is None else table.take(kept), path)
    return path


def test_crops_may_be_shuffled_and_clips_left_out(tmp_path):
    order = np.random.default_rng(1).permutation(170)
    found = {c.path: c for c in read_crops(edited(tmp_path, lambda c: order))}
    for wanted in clips_of():
        assert_same(found[wanted.path], wanted)
    only = edited(tmp_path, lambda c: np.flatnonzero(c["panel"] + (c["frame"] < 0) + 1 > 0)[140:])
    (found,) = read_crops(only)
    assert_same(found, clips_of()[1])


def test_edits_are_respected(tmp_path):
    def change(columns):
        columns["x"][10] += 12.5
        columns["width"][:5] *= 2  # alone: the height follows, or faces would be stretched
        columns["y"][150:] = -50  # partly outside the frame

    first, second = read_crops(edited(tmp_path, change), (WIDTH, HEIGHT))
    was, other = clips_of()
    assert first.panels[0].crops[10, 0] == was.panels[0].crops[10, 0] + 12.5
    assert np.array_equal(first.panels[0].crops[11:], was.panels[0].crops[11:])
    np.testing.assert_allclose(
        first.panels[0].crops[:5, 2:], 2 * was.panels[0].crops[:5, 2:], atol=4
    )
    np.testing.assert_allclose(second.panels[0].crops[10:, 1], other.panels[0].crops[10:, 3] / 2)
    assert np.array_equal(second.panels[0].crops[:, 2:], other.panels[0].crops[:, 2:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: np.arange(1, 170), "69 rows|139 rows"),
        (lambda c: c["x"].__setitem__(3, np.nan), "frame 8: no crop has x nan"),
        (lambda c: c["height"].__setitem__(3, 0), "no crop has .*height 0"),
        (lambda c: c.pop("plan") is None or None, "no column plan"),
        (lambda c: c["plan"].fill("{}"), "plan of clip"),
        (lambda c: c["clip"].fill("../../elsewhere.mp4"), "no file in the folder clips/"),
        (lambda c: c.update(x=np.full(170, "left")), "no readable crop file"),
    ],
)
def test_senseless_edits_are_said(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read_crops(edited(tmp_path, change))


def test_other_files_are_said(tmp_path):
    (tmp_path / "text.parquet").write_text("x,y,width,height\n")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    for name in ("none.parquet", "text.parquet", "other.parquet"):
        with pytest.raises(InputError, match=name):
            read_crops(tmp_path / name)


def test_no_clips_make_an_empty_file(tmp_path):
    write_crops(tmp_path / "crops.parquet", [], {})
    assert read_crops(tmp_path / "crops.parquet") == []


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_the_overlay_shows_faces_and_crops(scale):
    analysis = analysis_of(TWO)
    scaled = replace(
        Overlay.of(analysis, 40, 60),
        boxes=Overlay.of(analysis, 40, 60).boxes * np.float32(scale),
        landmarks=Overlay.of(analysis, 40, 60).landmarks * np.float32(scale),
    )
    (panel,) = panels("single", [1], analysis)
    image = np.full((round(HEIGHT * scale), round(WIDTH * scale), 3), 128, np.uint8)
    crop = panel.crops[50] * scale
    drawn = scaled.drawn(image, 50, [(1, crop)])
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (image == 128).all()
    x, y, width, height = crop
    outside, inside = drawn[-5, -5], drawn[round(y + 0.3 * height), round(x + 0.4 * width)]
    assert (outside < 90).all()
    assert (inside == 128).all()
    colours = []
    for row in np.flatnonzero(scaled.frames == 50):
        left, _, _, bottom = scaled.boxes[row]
        colours.append(tuple(drawn[round(bottom) - 8, round(left)]))
        nose_x, nose_y = scaled.landmarks[row, 2]
        assert tuple(drawn[round(nose_y), round(nose_x)]) == colours[-1]
    assert colours[0] != colours[1]
    assert tuple(drawn[round(y), round(x - width / 2)]) == colours[0]  # the crop: in its person's
    assert (scaled.drawn(image, 99, []) < 128).mean() > 0.9  # no face known there: no error
