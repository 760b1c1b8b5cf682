"""The result as Python users have it: tables, queries, tracks, crops, saving and loading."""

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from skimage.transform import SimilarityTransform

import facetrack
from facetrack.core.errors import InputError, TargetError, UsageError
from facetrack.core.settings import (
    DetectionSettings,
    IdentitySettings,
    Settings,
    TrackingSettings,
)
from facetrack.media.decode import PyavSource
from facetrack.recognition.face_square import ALIGNED, ALIGNED_SIDE, aligned, on_square
from facetrack.timeline import FACE_COLUMNS, Analysis, Dropped
from facetrack.timeline.stored_settings import stored_setting, stored_settings
from facetrack.timeline.tables import NAMES
from made.media import make_video


def test_tables_say_what_the_parts_say(demo_analysis):
    for name in ("people", "tracks", "intervals", "shots"):
        rows = demo_analysis.table(name).to_pylist()
        assert rows == demo_analysis.to_dict()[name]
    assert demo_analysis.table("faces") is demo_analysis.faces
    frames = demo_analysis.table("frames")
    assert frames["frame"].to_pylist() == list(range(485))
    assert np.array_equal(frames["time_s"].to_numpy(), demo_analysis.frame_times)
    with pytest.raises(UsageError, match="no table 'peeple'; there are people, tracks"):
        demo_analysis.table("peeple")


def test_numbers_that_may_be_missing_are_numbers_in_tables(demo_analysis):
    first = replace(demo_analysis.people[0], name="Ada", confidence=0.97)
    named = replace(demo_analysis, people=[first, *demo_analysis.people[1:]])
    assert named.table("people")["confidence"].to_pylist() == [0.97] + [None] * 6


def test_tables_join(demo_analysis):
    """Frames on screen by name, from faces and people."""
    faces = demo_analysis.table("faces").select(["frame", "person"])
    faces = faces.join(
        demo_analysis.table("people").select(["id", "name"]), "person", "id", join_type="inner"
    )
    counted = faces.group_by("name").aggregate([("frame", "count_distinct")]).to_pylist()
    assert {row["name"]: row["frame_count_distinct"] for row in counted} == {
        p.name: p.frames for p in demo_analysis.people
    }


def test_tables_of_nobody(tmp_path):
    make_video(tmp_path / "grey.mp4")
    analysis = facetrack.analyze(tmp_path / "grey.mp4")
    analysis.save(tmp_path / "out")
    assert Analysis.load(tmp_path / "out") == analysis
    for name in NAMES:
        rows = analysis.table(name).num_rows
        assert (rows > 0) == (name in ("shots", "frames", "metrics")), name
    assert analysis.table("people").schema.types[:2] == [pa.int32(), pa.string()]
    assert analysis.on_screen(0.5) == list(analysis.iter_tracks()) == []
    with analysis.face_crops() as crops:
        assert list(crops) == []


def test_pandas_where_it_is(demo_analysis):
    pandas = pytest.importorskip("pandas")
    intervals = demo_analysis.to_pandas("intervals")
    assert isinstance(intervals, pandas.DataFrame)
    seconds = (intervals.end_s - intervals.start_s).groupby(intervals.person).sum()
    assert seconds.to_dict() == pytest.approx({p.id: p.seconds for p in demo_analysis.people})
    assert demo_analysis.to_pandas("faces").landmarks[0].shape == (10,)


def test_no_pandas_is_said(demo_analysis, tmp_path):
    """In a process of its own, in which pandas cannot be imported."""
    demo_analysis.save(tmp_path)
    program = f"""
import sys
class NoPandas:
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoPandas)
import facetrack
facetrack.Analysis.load({str(tmp_path)!r}).to_pandas("people")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    said = done.stderr.splitlines()[-1]
    assert said.startswith("facetrack.core.errors.UsageError: pandas is not installed; pip install")


def test_people_on_screen(demo_analysis):
    """The truth is how the video was cut; the end of an interval does not belong to it."""

    def there(time_s):
        return [p.id for p in demo_analysis.on_screen(time_s)]

    assert there(0.0) == there(4.99) == [1]
    assert there(5.0) == [2]
    assert there(8.0) == [3, 4, 5, 6, 7]
    assert there(12.0) == there(-1.0) == there(19.4) == []


def test_a_person_by_number_or_name(demo_analysis):
    person = demo_analysis.person(2)
    assert demo_analysis.person("PERSON 2") is person
    intervals = demo_analysis.intervals_of("person 2")
    assert [i.person for i in intervals] == [2, 2]
    assert sum(i.end_s - i.start_s for i in intervals) == pytest.approx(person.seconds)
    with pytest.raises(TargetError, match="person 9 is not in this video; there are 1, 2, 3"):
        demo_analysis.intervals_of(9)


def test_tracks_one_by_one(demo_analysis):
    tracks = list(demo_analysis.iter_tracks())
    assert [t.id for t in tracks] == [t.id for t in demo_analysis.tracks]
    assert sum(len(t) for t in tracks) == demo_analysis.faces.num_rows
    for track, summary in zip(tracks, demo_analysis.tracks, strict=True):
        n = len(track)
        assert (track.frames[0], track.frames[-1]) == (summary.first_frame, summary.last_frame)
        assert (track.boxes.shape, track.landmarks.shape) == ((n, 4), (n, 5, 2))
        assert track.person == demo_analysis.person(summary.person)
        assert np.array_equal(track.times_s, demo_analysis.frame_times[track.frames])
        assert np.linalg.norm(track.embedding) == pytest.approx(1, abs=1e-4)
        assert set(track.sources) <= {"detected", "refined", "interpolated"}
        middles = track.landmarks.mean(axis=1)
        assert (middles > track.boxes[:, :2]).all() and (middles < track.boxes[:, 2:]).all()
    mine = [t.id for t in demo_analysis.iter_tracks("person 1")]
    assert mine == [t.id for t in demo_analysis.tracks if t.person == 1] and len(mine) == 2


def test_crops_are_what_the_video_shows(demo_analysis):
    """Each crop is compared with the same part of the frame from a plain decoding of the video."""
    with PyavSource(demo_analysis.info.path) as source:
        images = {f.index: f.image.rgb() for f in source.frames()}
    with demo_analysis.face_crops(64, every=40, margin=0.2) as crops:
        found = list(crops)
        again = [crop.image for crop in crops]
    assert len(found) == len(crops) == len(again) > 20 and crops.missing == 0
    assert all(np.array_equal(a.image, b) for a, b in zip(found, again, strict=True))
    rows = {(r["frame"], r["track"]): r for r in demo_analysis.faces.to_pylist()}
    for crop in found:
        row = rows[crop.frame, crop.track]
        assert (crop.time_s, crop.person) == (row["time_s"], row["person"])
        assert crop.image.shape == (64, 64, 3) and crop.image.dtype == np.uint8
        side = 1.2 * max(row["x2"] - row["x1"], row["y2"] - row["y1"])
        x = (row["x1"] + row["x2"] - side) / 2 + (np.arange(64) + 0.5) * side / 64
        y = (row["y1"] + row["y2"] - side) / 2 + (np.arange(64) + 0.5) * side / 64
        inside = np.ix_((y >= 1) & (y < 359), (x >= 1) & (x < 639))
        nearest = images[crop.frame][y.clip(0, 359).astype(int)][:, x.clip(0, 639).astype(int)]
        off = np.abs(crop.image.astype(float) - nearest)[inside]
        assert off.mean() < 8, crop
        outside = np.ix_((y < -side / 64) | (y > 360 + side / 64), np.arange(64))
        assert not crop.image[outside].any()


def test_aligned_faces_have_eyes_and_mouth_in_their_places(demo_analysis):
    with demo_analysis.face_crops(112, every=25, align=True) as crops:
        points = np.stack([crop.landmarks for crop in crops])
    off = np.abs(points - ALIGNED).mean(axis=(1, 2))
    assert np.median(off) < 3 and off.max() < 8  # pixels of 112
    slopes = points[:, 1, 1] - points[:, 0, 1]
    assert np.abs(slopes).max() < 6


def test_alignment_is_the_least_squares_of_another_library():
    random = np.random.default_rng(0)
    for size in (64, 112, 224):
        seen = ALIGNED @ np.array([(0.8, 0.6), (-0.6, 0.8)]) * 3 + 50 + random.normal(0, 4, (5, 2))
        there = SimilarityTransform.from_estimate(seen, ALIGNED * size / ALIGNED_SIDE)
        placed = on_square(seen.astype(np.float32), aligned(seen, size))
        assert np.allclose(placed, there(seen), atol=1e-3)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"person": "person 1", "every": 50}, 3 + 2),  # of 125 and of 100 frames
        ({"person": 2, "every": 1000}, 2),
        ({"track": 1, "every": 60}, 3),
        ({"track": 1, "person": 2}, 0),
    ],
)
def test_which_faces_are_cut_out(demo_analysis, wanted, count):
    with demo_analysis.face_crops(32, **wanted) as crops:
        found = list(crops)
    assert len(found) == len(crops) == count
    assert [c.frame for c in found] == sorted(c.frame for c in found)


def test_crops_of_a_part_of_a_video(pyfeat_data, tmp_path):
    """Frames keep their numbers in the source."""
    decode = replace(Settings().decode, start_s=1.0, duration_s=1.0)
    analysis = facetrack.analyze(
        pyfeat_data / "single_face.mp4", replace(Settings(), decode=decode)
    )
    analysis.save(tmp_path)
    assert analysis.first_frame == 30 and Analysis.load(tmp_path) == analysis
    with analysis.face_crops(every=10) as crops:
        assert [(c.frame, round(c.time_s, 2)) for c in crops] == [(30, 1), (40, 1.33), (50, 1.67)]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": 0}, "size is 0; it must be from 1 to 4096"),
        ({"every": 0}, "every is 0"),
        ({"margin": -1.0}, "margin is -1.0"),
        ({"track": 99}, "track is 99"),
    ],
)
def test_crops_that_make_no_sense(demo_analysis, wrong, words):
    with pytest.raises(UsageError, match=words):
        demo_analysis.face_crops(**wrong)


def test_crops_end_with_their_video(demo_analysis, tmp_path):
    with demo_analysis.face_crops(every=200) as crops:
        assert next(iter(crops)).frame == 0
    crops.close()
    with pytest.raises(ValueError, match="closed"):
        next(iter(crops))
    gone = replace(demo_analysis, info=replace(demo_analysis.info, path=tmp_path / "gone.mp4"))
    with pytest.raises(InputError, match=r"gone\.mp4: the video is gone"):
        gone.face_crops()


def test_frames_that_cannot_be_read_again_are_left_out(demo_analysis, tmp_path):
    """Of a transport stream that was cut off: it needs no table at its end."""
    film = tmp_path / "film.ts"
    with av.open(str(demo_analysis.info.path)) as source, av.open(str(film), "w") as made:
        stream = made.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    moved = replace(demo_analysis, info=replace(demo_analysis.info, path=film))
    with moved.face_crops(32, every=10) as crops:
        found = len(list(crops))
    assert 0 < found < len(crops) and crops.missing == len(crops) - found


def test_saved_and_loaded_is_equal(demo_analysis, tmp_path):
    """Every field has a value of its own; a file name is not UTF-8, a person's name is Arabic."""
    path = Path(os.fsdecode(b"/films/\xff \xe2\x82\xac.mp4"))
    full = replace(
        demo_analysis,
        info=replace(demo_analysis.info, path=path, rotation=90),
        people=[
            replace(demo_analysis.people[0], name='\u0644\u064a\u0644\u0649 "L"'),
            *demo_analysis.people[1:],
        ],
        dropped=[Dropped(3, "unsure", "median score 0.91, 0.95 needed", 4, 9)],
        warnings=["cut off: 1.00 s of 2.00 s could be read"],
        damaged=True,
        first_frame=0,
    )
    folder = tmp_path / os.fsdecode(b"out\xff" if sys.platform == "linux" else b"out")
    full.save(folder)
    again = Analysis.load(folder)
    assert again.folder == folder
    for each in (f for f in fields(full) if f.compare):
        assert type(getattr(again, each.name)) is type(getattr(full, each.name)), each.name
    assert again == full != demo_analysis
    timeline = json.loads((folder / "timeline.json").read_text("utf-8"))
    assert timeline["source"]["path"] == str(path)
    again.save(str(tmp_path / "copy"))  # text is a folder too
    assert Analysis.load(str(tmp_path / "copy")) == full


def test_equal_means_every_field(demo_analysis):
    assert demo_analysis == replace(demo_analysis)
    vectors = dict(demo_analysis.embeddings)
    vectors[1] = -vectors[1]
    for change in (
        {"embeddings": vectors},
        {"frame_times": demo_analysis.frame_times + 1e-9},
        {"faces": demo_analysis.faces.slice(1)},
        {"people": demo_analysis.people[1:]},
        {"thumbnails": {}},
        {"damaged": True},
        {"settings": {}},
    ):
        assert replace(demo_analysis, **change) != demo_analysis, change
    assert demo_analysis != "a text"


def refused(folder):
    """The message of the error, which is one line."""
    with pytest.raises(InputError) as error:
        Analysis.load(folder)
    said = str(error.value)
    assert str(folder) in said and "\n" not in said
    return said


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "out")
    return tmp_path / "out"


def test_a_damaged_folder_is_said(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "files.json")
    assert len(files) == 5 + 7
    for file in files:
        data = file.read_bytes()
        file.unlink()
        assert file.name in refused(folder)
        if file.suffix != ".jpg":  # any bytes are accepted as a JPEG
            damages = [data[: len(data) - 3], data[1:], b"\x00" * 500]
            if file.name != "metrics.jsonl":  # there may be no samples; half may be whole lines
                damages += [b"", data[len(data) // 2 :]]
            for damaged in damages:
                file.write_bytes(damaged)
                refused(folder)
        file.write_bytes(data)
    Analysis.load(folder)
    assert "no readable analysis" in refused(folder / "nowhere")


def test_a_timeline_edited_wrongly_is_said(folder):
    timeline = json.loads((folder / "timeline.json").read_text())
    for path, value, words in (
        (["schema"], "facetrack/timeline/9", "is 'facetrack/timeline/9', not facetrack/timeline/1"),
        (["people", 1, "name"], 5, "people[1].name is 5; it must be a text"),
        (["people", 1, "id"], "2", "people[1].id is '2'; it must be a whole number"),
        (["people", 1, "id"], 1, "people: there are two of number 1"),
        (["people", 0], {"id": 1}, "people[0]: name is missing"),
        (["tracks", 0, "person"], 99, "track 1 is of person 99, who is not among the people"),
        (["tracks", 0, "id"], 77, "a face is of track 1, which is not among the tracks"),
        (["tracks"], [], "a face is of track 1"),
        (
            ["intervals", 0, "start_frame"],
            1.5,
            "intervals[0].start_frame is 1.5; it must be a whole number",
        ),
        (["intervals", 0, "end_frame"], 999, "the video's are 0 to 485"),
        (["source", "fps"], "25/0", "source.fps is '25/0'; it must be a fraction"),
        (["source", "fps"], "often", "source.fps is 'often'"),
        (["source", "fps"], "0/1", "source.fps is '0/1'; it must be a fraction above 0"),
        (["source", "fps"], "-25", "source.fps is '-25'"),
        (["source", "duration_s"], float("nan"), "source.duration_s is nan"),
        (["source", "duration_s"], float("inf"), "source.duration_s is inf"),
        (["source", "duration_s"], 1e12, "source.duration_s is 1000000000000.0"),
        (["source", "width"], 0, "source.width is 0; it must be 1 or more"),
        (["people", 0, "first_s"], float("nan"), "people[0].first_s is nan"),
        (["intervals", 0, "end_s"], float("inf"), "intervals[0].end_s is inf"),
        (["tracks", 0, "sharpness"], float("nan"), "tracks[0].sharpness is nan"),
        (["settings"], [], "settings is []; it must be a table"),
        (["source", "width"], None, "source.width is None; it must be a whole number"),
        (["source", "first_frame"], 7, "the video's are 7 to 492"),
        (["warnings"], "none", "warnings is 'none'; it must be a list"),
        (["people"], None, "people is None; it must be a list"),
        (["recognizer", "dim"], "many", "recognizer.dim is 'many'"),
        (["splits"], {}, "splits is {}; it must be a list"),
        ([], [1, 2], "it is [1, 2]; it must be a table"),
    ):
        edited = json.loads(json.dumps({"": timeline}))
        at, key = edited, ""
        for step in path:
            at, key = at[key], step
        at[key] = value
        (folder / "timeline.json").write_text(json.dumps(edited[""]))
        assert words in refused(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
@pytest.mark.parametrize("name", ["timeline.json", "metrics.jsonl"])
def test_nesting_that_no_parser_stands_is_said(folder, name, text):
    (folder / name).write_text(text)
    refused(folder)


@pytest.mark.parametrize("settings", [
    {}, {"identity": {}}, {"identity": {"threshold": "high"}}, {"identity": {"probability": 7}},
    {"tracking": 3}, {"identity": {"threshold": float("nan")}}, {"tracking": {"min_score": []}},
])  # fmt: skip
def test_settings_that_are_missing_or_make_no_sense(demo_analysis, folder, settings):
    """Each setting that a later command needs is checked where it is read."""
    timeline = json.loads((folder / "timeline.json").read_text())
    timeline["settings"] = settings
    (folder / "timeline.json").write_text(json.dumps(timeline))
    analysis = Analysis.load(folder)
    for stage, name in (
        (IdentitySettings, "threshold"), (IdentitySettings, "probability"),
        (IdentitySettings, "recognizer"), (TrackingSettings, "min_score"),
    ):  # fmt: skip
        table = settings.get(stage.table, {})
        if isinstance(table, dict) and name not in table:
            assert stored_setting(analysis, stage, name) == getattr(stage(), name)
            continue
        with pytest.raises(InputError, match=rf"settings\.{stage.table}.* is") as error:
            stored_setting(analysis, stage, name)
        assert str(folder) in str(error.value)
    with pytest.raises(InputError, match="stored"):
        stored_settings(analysis, "detection", DetectionSettings)


def test_what_a_newer_version_wrote_is_ignored_and_what_an_older_did_not_is_not_missed(
    folder, demo_analysis
):
    timeline = json.loads((folder / "timeline.json").read_text())
    timeline["weather"] = timeline["people"][0]["shoe_size"] = 44
    timeline["source"]["lens"] = "wide"
    for name in ("splits", "uncertain", "recognizer"):
        del timeline[name]
    for track in timeline["tracks"]:
        for name in ("faces", "face_px", "sharpness", "frontality", "agreement", "commonness"):
            del track[name]
    (folder / "timeline.json").write_text(json.dumps(timeline))
    again = Analysis.load(folder)
    assert again.people == demo_analysis.people and again.intervals == demo_analysis.intervals
    assert again.recognizer == demo_analysis.recognizer  # by the settings of the run
    assert again.uncertain == again.splits == []
    assert {t.faces for t in again.tracks} == {0}


def test_tables_edited_wrongly_are_said(folder, demo_analysis):
    faces = demo_analysis.faces
    for edited, words in (
        (faces.drop_columns(["score"]), "score"),
        (faces.set_column(0, "frame", pa.array(np.arange(len(faces)) + 100)), "frames 100 to"),
        (faces.set_column(1, "time_s", pa.array(["soon"] * len(faces))), "soon"),
        (faces.set_column(1, "time_s", pa.array([None] * len(faces), pa.float64())), "is missing"),
        (faces.set_column(8, "score", pa.array([np.nan] * len(faces))), "score is no finite"),
        (faces.set_column(4, "x1", pa.array([np.inf] * len(faces))), "x1 is no finite number"),
        (faces.set_column(9, "landmarks", pa.array([[1.0] * 9] * len(faces))), "list"),
        (faces.set_column(9, "landmarks", pa.array([[None] * 10] * len(faces))), "is missing"),
        (faces.set_column(10, "source", pa.array([None] * len(faces), pa.string())), "is missing"),
    ):
        pq.write_table(edited, folder / "faces.parquet")
        assert words in refused(folder)
    pq.write_table(faces, folder / "faces.parquet")
    times = demo_analysis.table("frames")
    for column, words in (
        (pa.array(["now"] * len(times)), "now"),
        (pa.array([None] * len(times), pa.float64()), "time_s is missing"),
        (pa.array([np.nan] * len(times)), "time_s is no finite number"),
    ):
        pq.write_table(times.set_column(1, "time_s", column), folder / "frames.parquet")
        assert words in refused(folder)
    pq.write_table(times, folder / "frames.parquet")
    np.savez(folder / "embeddings.npz", **{"1": np.full(128, np.nan, np.float32)})
    assert "no finite number" in refused(folder)
    np.savez(folder / "embeddings.npz", **{"1": np.eye(2)})
    assert "embedding of track 1 is float64 (2, 2)" in refused(folder)
    np.savez(folder / "embeddings.npz", Ada=np.ones(512, np.float32))
    assert "Ada" in refused(folder)


def test_faces_that_another_tool_wrote_are_read(folder, demo_analysis):
    """Rows in another order, wider numbers, a column more, landmarks as plain lists."""
    faces = demo_analysis.faces
    wide = faces.set_column(0, "frame", faces["frame"].cast(pa.int64()))
    wide = wide.set_column(9, "landmarks", faces["landmarks"].cast(pa.list_(pa.float64())))
    wide = wide.append_column("note", pa.array(["x"] * len(faces)))
    pq.write_table(wide.take(np.arange(len(faces))[::-1]), folder / "faces.parquet")
    assert Analysis.load(folder) == demo_analysis


def test_a_track_given_to_somebody_else_takes_its_faces_along(folder, demo_analysis):
    timeline = json.loads((folder / "timeline.json").read_text())
    timeline["tracks"][0]["person"] = 2
    (folder / "timeline.json").write_text(json.dumps(timeline))
    faces = Analysis.load(folder).faces
    mine = faces["track"].to_numpy() == 1
    assert set(faces["person"].to_numpy()[mine]) == {2}
    assert faces.schema == FACE_COLUMNS
