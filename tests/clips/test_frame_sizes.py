"""Films whose frames change their size: every crop lies in its own frame, clips have one size."""

import json
from dataclasses import replace

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

import facetrack
from facetrack.clips.camera.crops import read_crops
from facetrack.timeline import Analysis
from made.media import make_film_of_sizes

KINDS = {
    "smaller": [(640, 360), (320, 180)],
    "larger": [(480, 270), (960, 540), (480, 270)],
    "turned": [(640, 360), (360, 640)],
    "another aspect": [(640, 360), (480, 360)],
}
EACH = 40


class Covering:
    """A frame that fills any size without being squeezed; what is too wide is cut off."""

    def __init__(self, frame):
        self._frame = frame

    def reformat(self, width, height):
        scale = max(width / self._frame.width, height / self._frame.height)
        wide, high = (round(side * scale) for side in (self._frame.width, self._frame.height))
        image = self._frame.reformat(wide, high, "rgb24").to_ndarray()
        left, top = (wide - width) // 2, (high - height) // 2
        part = np.ascontiguousarray(image[top : top + height, left : left + width])
        return av.VideoFrame.from_ndarray(part, format="rgb24").reformat(format="yuv420p")


@pytest.fixture(scope="module", params=KINDS)
def film(request, pyfeat_data, tmp_path_factory):
    """The film's path and the sizes of its shots."""
    with av.open(str(pyfeat_data / "single_face.mp4")) as source:
        frames = [Covering(frame) for frame in source.decode(video=0)]
    path = tmp_path_factory.mktemp("sizes") / "film.ts"
    make_film_of_sizes(frames, path, KINDS[request.param], EACH)
    return path, KINDS[request.param]


@pytest.fixture(scope="module")
def analysis(film):
    return facetrack.analyze(film[0])


@pytest.fixture(scope="module")
def own_sizes(film):
    """``(n, 2)`` of each frame."""
    return np.repeat(film[1], EACH, axis=0)


def inside(crops, sizes):
    corners = crops[:, :2] - crops[:, 2:] / 2, crops[:, :2] + crops[:, 2:] / 2
    return (corners[0] >= -1e-6).all() and (corners[1] <= sizes + 1e-6).all()


def test_the_size_is_of_a_frame(analysis, own_sizes, tmp_path):
    assert len(analysis.people) == 1
    assert [s.start_frame for s in analysis.shots] == list(range(0, len(own_sizes), EACH))
    assert np.array_equal(analysis.frame_sizes, own_sizes)
    analysis.save(tmp_path)
    stored = pq.read_table(tmp_path / "frames.parquet")
    assert np.array_equal(np.stack([stored["width"], stored["height"]], axis=1), own_sizes)
    assert Analysis.load(tmp_path) == analysis


def test_faces_lie_in_their_frames(analysis, own_sizes):
    faces = analysis.faces
    shown = own_sizes[faces["frame"].to_numpy()]
    for axis, (a, b) in enumerate((("x1", "x2"), ("y1", "y2"))):
        middle = (faces[a].to_numpy() + faces[b].to_numpy()) / 2 / shown[:, axis]
        assert middle.min() > 0.1 and middle.max() < 0.9


@pytest.mark.parametrize(("zoom", "aspect"), [("head", "1:1"), ("bust", "9:16"), ("bust", "16:9")])
def test_crops_lie_in_their_frames(analysis, own_sizes, zoom, aspect):
    wanted = facetrack.ClipSettings(target=("all",), size=128, zoom=zoom, aspect=aspect)
    for clip in facetrack.plan(analysis, wanted).clips:
        (panel,) = clip.panels
        assert inside(panel.crops, own_sizes[clip.frames])
        ratio = panel.crops[:, 2] / panel.crops[:, 3]
        np.testing.assert_allclose(ratio, clip.size[0] / clip.size[1], rtol=0.05)


def test_edited_crops_are_moved_into_their_frames(analysis, own_sizes, tmp_path):
    wanted = facetrack.ClipSettings(target=("all",), size=128)
    facetrack.render(analysis, tmp_path, wanted)
    table = pq.read_table(tmp_path / "crops.parquet")
    for name in ("width", "height"):
        column = table[name].to_numpy() * 1.7
        table = table.set_column(table.column_names.index(name), name, [column])
    pq.write_table(table, tmp_path / "edited.parquet")
    for clip in read_crops(tmp_path / "edited.parquet", analysis):
        assert inside(clip.panels[0].crops, own_sizes[clip.frames])
    (whole,) = read_crops(tmp_path / "crops.parquet", analysis)
    assert np.array_equal(
        whole.panels[0].crops, read_crops(tmp_path / "crops.parquet")[0].panels[0].crops
    )


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("overlay", [False, True])
def test_clips_have_one_size_and_show_the_same(analysis, own_sizes, tmp_path, overlay):
    """The face is at one place of the picture, so both sides of a cut look alike."""
    wanted = facetrack.ClipSettings(target=("all",), size=192, debug_overlay=overlay)
    (made,) = facetrack.render(analysis, tmp_path, wanted)
    assert made.error is None
    shown = frames_of(made.path)
    assert len(shown) == len(own_sizes)
    assert {image.shape[:2] for image in shown} == {
        tuple(own_sizes[0][::-1]) if overlay else (192, 192)
    }
    if not overlay and abs(np.ptp(own_sizes[:, 0] / own_sizes[:, 1])) < 0.01:
        before, after = shown[EACH - 1].astype(float), shown[EACH].astype(float)
        assert np.abs(before - after).mean() < 20


def test_face_crops_are_cut_from_their_frames(analysis, own_sizes):
    """A crop that reaches past its frame is black there, and only there."""
    with analysis.face_crops(64, every=10, margin=0) as crops:
        found = list(crops)
    assert len(found) == len(own_sizes) // 10
    assert all(
        crop.image.mean() > 40 and (crop.image.max(axis=2) == 0).mean() < 0.2 for crop in found
    )


def test_coco_says_the_size_of_each_image(analysis, own_sizes, tmp_path):
    facetrack.export(analysis, "coco", tmp_path / "faces.json")
    made = json.loads((tmp_path / "faces.json").read_text())
    assert [[i["width"], i["height"]] for i in made["images"]] == own_sizes.tolist()
    size_of = {i["id"]: (i["width"], i["height"]) for i in made["images"]}
    for face in made["annotations"]:
        x, y, width, height = face["bbox"]
        wide, high = size_of[face["image_id"]]
        assert x + width / 2 < wide and y + height / 2 < high


def test_folders_without_sizes_are_read(analysis, tmp_path):
    """As earlier versions wrote them."""
    analysis.save(tmp_path)
    stored = pq.read_table(tmp_path / "frames.parquet")
    pq.write_table(stored.select(["frame", "time_s"]), tmp_path / "frames.parquet")
    timeline = json.loads((tmp_path / "timeline.json").read_text())
    del timeline["source"]["clock"]
    (tmp_path / "timeline.json").write_text(json.dumps(timeline))
    old = Analysis.load(tmp_path)
    assert old.frame_sizes is None
    usual = (old.info.width, old.info.height)
    assert old.size_at(0) == old.size_at(EACH) == usual
    assert replace(old, frame_sizes=analysis.frame_sizes).info.width == analysis.info.width


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("height", -5), ("width", 1 << 20)])
def test_senseless_sizes_are_said(analysis, tmp_path, name, value):
    analysis.save(tmp_path)
    stored = pq.read_table(tmp_path / "frames.parquet")
    column = stored[name].to_numpy().copy()
    column[3] = value
    at = stored.column_names.index(name)
    pq.write_table(stored.set_column(at, name, [column]), tmp_path / "frames.parquet")
    with pytest.raises(facetrack.InputError, match="frames: a side"):
        Analysis.load(tmp_path)
