"""Every format is read back by a reader that is not part of facetrack."""

import csv
import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import duckdb
import lxml.etree
import motmetrics
import numpy as np
import opentimelineio as otio
import pyarrow as pa
import pysubs2
import pytest
import trackeval
import webvtt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import facetrack
from facetrack.exports.registry import OUR_FORMATS, exporter_of
from facetrack.timeline import Interval, boxes_of, landmarks_of

NAMES = {1: "Ada <b> & {Bo}", 2: "Zoë\n--> 玲"}
READ = {1: "Ada <b> & {Bo}", 2: "Zoë --> 玲"}
"""The same names on one line, as readers get them."""

# The elements that the export uses, from Apple's FCPXML 1.10.
FCPXML = """
<!ELEMENT fcpxml (resources, library)> <!ATTLIST fcpxml version CDATA #FIXED "1.10">
<!ELEMENT resources (asset | format)*>
<!ELEMENT format EMPTY>
<!ATTLIST format id ID #REQUIRED frameDuration CDATA #IMPLIED width CDATA #IMPLIED
                 height CDATA #IMPLIED>
<!ELEMENT asset (media-rep+)>
<!ATTLIST asset id ID #REQUIRED name CDATA #IMPLIED start CDATA #IMPLIED duration CDATA #IMPLIED
                hasVideo CDATA #IMPLIED format IDREF #IMPLIED hasAudio CDATA #IMPLIED
                videoSources CDATA #IMPLIED audioSources CDATA #IMPLIED>
<!ELEMENT media-rep EMPTY>
<!ATTLIST media-rep kind (original-media | proxy-media) "original-media" src CDATA #REQUIRED>
<!ELEMENT library (event)*>
<!ELEMENT event (asset-clip | project)*> <!ATTLIST event name CDATA #IMPLIED>
<!ELEMENT asset-clip (asset-clip*, keyword*)>
<!ATTLIST asset-clip ref IDREF #REQUIRED name CDATA #IMPLIED lane CDATA #IMPLIED
                     offset CDATA #IMPLIED start CDATA #IMPLIED duration CDATA #IMPLIED>
<!ELEMENT keyword EMPTY>
<!ATTLIST keyword start CDATA #IMPLIED duration CDATA #IMPLIED value CDATA #REQUIRED>
<!ELEMENT project (sequence)> <!ATTLIST project name CDATA #IMPLIED>
<!ELEMENT sequence (spine)>
<!ATTLIST sequence format IDREF #REQUIRED duration CDATA #IMPLIED tcStart CDATA #IMPLIED>
<!ELEMENT spine (gap)*>
<!ELEMENT gap (asset-clip*)>
<!ATTLIST gap name CDATA #IMPLIED offset CDATA #IMPLIED start CDATA #IMPLIED
              duration CDATA #REQUIRED>
"""


@pytest.fixture(scope="module")
def analysis(demo_analysis):
    """The demo's film with two names that need escapes."""
    people = [replace(p, name=NAMES.get(p.id, p.name)) for p in demo_analysis.people]
    return replace(demo_analysis, people=people)


@pytest.fixture(scope="module")
def uneven(analysis):
    """The same with a frame rate that varies from 12.5 to 50 frames/s."""
    shown_s = np.tile([0.08, 0.02, 0.05, 0.03], len(analysis.frame_times))
    edges = np.append(0, np.cumsum(shown_s))[: len(analysis.frame_times) + 1]
    info = replace(analysis.info, fps=Fraction(245, 11), duration_s=float(edges[-1]))
    return replace(analysis, info=info, frame_times=edges[:-1])


def at_rate(analysis, fps):
    times = np.arange(len(analysis.frame_times)) / float(fps)
    info = replace(analysis.info, fps=fps, duration_s=float(len(times) / fps))
    return replace(analysis, info=info, frame_times=times)


def people_by_frame(analysis):
    """The people on screen in each frame, by the timeline."""
    return [
        {i.person for i in analysis.intervals if i.start_frame <= frame < i.end_frame}
        for frame in range(len(analysis.frame_times))
    ]


def edges_of(analysis):
    return np.append(analysis.frame_times, analysis.info.duration_s)


def test_tables(analysis, tmp_path):
    facetrack.export(analysis, "csv", tmp_path / "faces.csv")
    facetrack.export(analysis, "parquet", tmp_path / "faces.parquet")
    with (tmp_path / "faces.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == analysis.faces.num_rows
    assert {row["name"] for row in rows if row["person"] == "2"} == {READ[2]}
    np.testing.assert_array_equal([int(row["frame"]) for row in rows], analysis.faces["frame"])
    np.testing.assert_allclose(
        [[float(row[c]) for c in ("nose_x", "nose_y")] for row in rows],
        landmarks_of(analysis.faces)[:, 2],
        rtol=1e-6,
    )
    for name in ("faces.csv", "faces.parquet"):
        read = duckdb.read_csv if name.endswith("csv") else duckdb.read_parquet
        table = read(str(tmp_path / name)).fetchnumpy()
        for column in ("frame", "time_s", "track", "person"):
            np.testing.assert_array_equal(table[column], analysis.faces[column])
        box = np.stack([table[c] for c in ("x1", "y1", "x2", "y2")], axis=1)
        np.testing.assert_allclose(box, boxes_of(analysis.faces), rtol=1e-6)
        assert set(np.unique(table["source"])) <= {"detected", "refined", "interpolated"}


def test_json_lines(uneven, tmp_path):
    path = facetrack.export(uneven, "json-lines", tmp_path / "frames.jsonl")
    frames = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [frame["time_s"] for frame in frames] == uneven.frame_times.tolist()
    faces = [(frame["frame"], face) for frame in frames for face in frame["faces"]]
    assert [frame for frame, _ in faces] == uneven.faces["frame"].to_pylist()
    assert [face["track"] for _, face in faces] == uneven.faces["track"].to_pylist()
    np.testing.assert_allclose(
        [face["box"] for _, face in faces], boxes_of(uneven.faces), atol=1e-3
    )
    assert {face["name"] for _, face in faces if face["person"] == 1} == {READ[1]}


def test_mot_by_trackeval(analysis, tmp_path):
    """TrackEval reads the file, and scores it against itself."""
    path = facetrack.export(analysis, "mot", tmp_path / "trackers" / "us" / "data" / "demo.txt")
    truth = tmp_path / "truth" / "demo" / "gt" / "gt.txt"
    truth.parent.mkdir(parents=True)
    rows = np.loadtxt(path, delimiter=",")
    rows[:, 6:] = 1, 1, 1, -1  # in a truth: used or not, pedestrian, visibility
    np.savetxt(truth, rows, "%g", delimiter=",")
    frames = len(analysis.frame_times)
    with redirect_stdout(io.StringIO()):
        data = trackeval.datasets.MotChallenge2DBox(
            {
                "GT_FOLDER": str(tmp_path / "truth"),
                "TRACKERS_FOLDER": str(tmp_path / "trackers"),
                "SEQ_INFO": {"demo": frames},
                "SKIP_SPLIT_FOL": True,
                "DO_PREPROC": False,
            }
        )
        raw = data.get_raw_seq_data("us", "demo")
        both = data.get_preprocessed_seq_data(raw, "pedestrian")
        hota = trackeval.metrics.HOTA().eval_sequence(both)
    assert hota["HOTA"].min() > 0.999
    assert [set(ids) for ids in raw["tracker_ids"]] == people_by_frame(analysis)
    of_people = analysis.faces.filter(np.array(analysis.faces["person"]) > 0)
    left = np.concatenate([dets[:, 0] for dets in raw["tracker_dets"]])
    width = np.concatenate([dets[:, 2] for dets in raw["tracker_dets"]])
    boxes = boxes_of(of_people)
    np.testing.assert_allclose(np.sort(left - 1), np.sort(boxes[:, 0]), atol=1e-2)
    np.testing.assert_allclose(np.sort(width), np.sort(boxes[:, 2] - boxes[:, 0]), atol=1e-2)


def test_mot_by_motmetrics(analysis, tmp_path):
    path = facetrack.export(analysis, "mot", tmp_path / "people.txt")
    table = motmetrics.io.loadtxt(str(path), fmt="mot15-2D").reset_index()
    of_people = analysis.faces.filter(np.array(analysis.faces["person"]) > 0)
    wanted = of_people.sort_by([("frame", "ascending"), ("person", "ascending")])
    np.testing.assert_array_equal(table["FrameId"] - 1, wanted["frame"])
    np.testing.assert_array_equal(table["Id"], wanted["person"])
    # motmetrics converts pixels to count from 0.
    np.testing.assert_allclose(table[["X", "Y"]], boxes_of(wanted)[:, :2], atol=1e-2)
    np.testing.assert_allclose(table["Confidence"], wanted["score"], atol=1e-4)


def test_mot_has_a_person_once_a_frame(analysis, tmp_path):
    """Tracks of a person overlap where one bridges a gap: the face with the higher score stays."""
    worse = analysis.faces.slice(0, 1)
    column = worse.column_names.index("score")
    worse = worse.set_column(column, analysis.faces.schema.field("score"), [np.float32([0.1])])
    twice = replace(analysis, faces=pa.concat_tables([worse, analysis.faces]))
    once = facetrack.export(analysis, "mot", tmp_path / "once.txt").read_text()
    assert facetrack.export(twice, "mot", tmp_path / "twice.txt").read_text() == once


def test_coco_by_pycocotools(analysis, tmp_path):
    path = facetrack.export(analysis, "coco", tmp_path / "faces.json")
    with redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
        score = COCOeval(coco, coco, "keypoints")
        score.params.kpt_oks_sigmas = np.full(5, 0.05)
        score.evaluate()
        score.accumulate()
        score.summarize()
    assert score.stats[0] == pytest.approx(1)
    assert len(coco.imgs) == len(analysis.frame_times)
    found = coco.loadAnns(coco.getAnnIds())
    assert [a["image_id"] for a in found] == analysis.faces["frame"].to_pylist()
    assert [a["track_id"] for a in found] == analysis.faces["track"].to_pylist()
    assert {a["person"] for a in found if a["person_id"] == 2} == {READ[2]}
    points = np.array([a["keypoints"] for a in found]).reshape(-1, 5, 3)
    np.testing.assert_allclose(points[:, :, :2], landmarks_of(analysis.faces), atol=0.01)


def shown_by(cues, time_s):
    """The lines that a player shows at a time; ``cues``: start, end and lines of each."""
    return {name for start, end, names in cues if start <= time_s < end for name in names}


def read_vtt(path):
    return [(clock(cue.start), clock(cue.end), cue.lines) for cue in webvtt.read(str(path))]


def clock(text):
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def read_srt(path):
    return [(e.start / 1000, e.end / 1000, e.text.split("\\N")) for e in pysubs2.load(str(path))]


@pytest.mark.parametrize("format", ["webvtt", "srt"])
@pytest.mark.parametrize("rate", ["analysis", "uneven"])
def test_subtitles_name_the_people_on_screen(format, rate, request, tmp_path):
    analysis = request.getfixturevalue(rate)
    path = facetrack.export(analysis, format, tmp_path / f"names{exporter_of(format).suffix}")
    cues = read_vtt(path) if format == "webvtt" else read_srt(path)
    assert all(before[1] <= after[0] for before, after in pairwise(cues))
    names = {p.id: p.name for p in analysis.people}
    if format == "webvtt":
        names |= {1: "Ada &lt;b&gt; &amp; {Bo}", 2: "Zoë --&gt; 玲"}
    else:
        names |= {1: "Ada \u2039b\u203a & (Bo)", 2: "Zoë --\u203a 玲"}
    edges = edges_of(analysis)
    for people, start, end in zip(people_by_frame(analysis), edges, edges[1:], strict=False):
        assert shown_by(cues, (start + end) / 2) == {names[p] for p in people}


@pytest.mark.parametrize("format", ["webvtt", "srt"])
def test_subtitles_by_ffmpeg(format, analysis, tmp_path):
    """FFmpeg decodes the names as they are in the timeline (SRT has no < and {)."""
    path = facetrack.export(analysis, format, tmp_path / f"names{exporter_of(format).suffix}")
    with av.open(str(path)) as file:
        stream = file.streams.subtitles[0]
        packets = [p for p in file.demux(stream) if p.size]
        texts = [s.ass.decode() for p in packets for s in stream.codec_context.decode2(p)]
    first = {p.id: p for p in analysis.people}[1]
    assert float(packets[0].pts * packets[0].time_base) == pytest.approx(first.first_s, abs=1e-3)
    wanted = "Ada <b> & {Bo}" if format == "webvtt" else "Ada \u2039b\u203a & (Bo)"
    # FFmpeg decodes to ASS: the text follows eight fields, and braces are escaped.
    assert texts[0].split(",", 8)[8].replace("\\{{}", "{") == wanted
    assert any("Zoë" in text and "玲" in text for text in texts)


def on_screen(analysis, *intervals):
    """The analysis with these intervals: person, start and end in seconds."""
    near = np.searchsorted
    times = analysis.frame_times
    found = [Interval(p, int(near(times, a)), int(near(times, b)), 0, 0) for p, a, b in intervals]
    return replace(analysis, intervals=found)


@pytest.mark.parametrize(
    ("intervals", "wanted"),
    [
        # Off screen for a moment.
        ([(3, 1, 4), (3, 4.2, 6)], [(1, 6, "3")]),
        ([(3, 1, 4), (3, 5, 6)], [(1, 4, "3"), (5, 6, "3")]),
        # Two people appear, and one of them is found a little later.
        ([(3, 1, 6), (4, 1.2, 6)], [(1, 6, "34")]),
        ([(3, 1, 6), (4, 2, 6)], [(1, 2, "3"), (2, 6, "34")]),
        # Too short to be read.
        ([(3, 1, 6), (4, 2, 2.2)], [(1, 6, "3")]),
        ([(3, 1, 3), (4, 3, 3.2), (5, 3.2, 6)], [(1, 3, "3"), (3, 6, "5")]),
        # Short, without a neighbour.
        ([(3, 1, 1.2)], [(1, 1.2, "3")]),
        ([], []),
    ],
)
def test_names_do_not_flicker(analysis, intervals, wanted, tmp_path):
    path = facetrack.export(on_screen(analysis, *intervals), "webvtt", tmp_path / "names.vtt")
    cues = [(a, b, "".join(n.split()[-1] for n in names)) for a, b, names in read_vtt(path)]
    assert cues == wanted


def people_by_track(timeline, frames):
    """The people whose tracks have a clip at each frame."""
    found = [set() for _ in range(frames)]
    for track in timeline.video_tracks():
        for clip in track.find_clips():
            where = clip.range_in_parent()
            assert clip.source_range == where
            for frame in range(
                round(where.start_time.value), round(where.end_time_exclusive().value)
            ):
                found[frame].add(clip.metadata["facetrack"]["person"])
    return found


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001)])
def test_otio_has_one_track_per_person(analysis, fps, tmp_path):
    analysis = at_rate(analysis, fps)
    path = facetrack.export(analysis, "otio", tmp_path / "people.otio")
    timeline = otio.adapters.read_from_file(str(path))
    names = [READ.get(p.id, p.name) for p in analysis.people]
    assert [track.name for track in timeline.tracks] == names
    assert people_by_track(timeline, len(analysis.frame_times)) == people_by_frame(analysis)
    (clip, *_) = timeline.find_clips()
    media = clip.media_reference
    assert media.target_url == analysis.info.path.as_uri()
    assert media.available_range.duration == otio.opentime.RationalTime(
        len(analysis.frame_times), float(fps)
    )
    cuts = [round(m.marked_range.start_time.value) for m in timeline.tracks.markers]
    assert cuts == [s.start_frame for s in analysis.shots[1:]]


def test_otio_of_a_variable_rate_keeps_time(uneven, tmp_path):
    path = facetrack.export(uneven, "otio", tmp_path / "people.otio")
    timeline = otio.adapters.read_from_file(str(path))
    for clip in timeline.find_clips():
        stored, place = clip.metadata["facetrack"], clip.range_in_parent()
        times = [stored["start_s"], stored["end_s"]]
        frames = [stored["start_frame"], stored["end_frame"]]
        np.testing.assert_allclose(times, edges_of(uneven)[frames], rtol=1e-12)
        half = 0.5 / place.start_time.rate
        assert abs(place.start_time.to_seconds() - stored["start_s"]) <= half + 1e-9
        assert abs(place.end_time_exclusive().to_seconds() - stored["end_s"]) <= half + 1e-9


def test_intervals_that_overlap_after_an_edit(analysis, tmp_path):
    """As after two people were merged by hand."""
    edited = on_screen(analysis, (1, 1, 3), (1, 2, 4), (1, 4, 5), (1, 7, 8), (2, 2, 3))
    path = facetrack.export(edited, "otio", tmp_path / "people.otio")
    timeline = otio.adapters.read_from_file(str(path))
    assert people_by_track(timeline, len(edited.frame_times)) == people_by_frame(edited)
    assert [len(list(track.find_clips())) for track in timeline.tracks][:2] == [2, 1]
    cues = read_vtt(facetrack.export(edited, "webvtt", tmp_path / "people.vtt"))
    assert [(start, end, len(names)) for start, end, names in cues] == [
        (1, 2, 1), (2, 3, 2), (3, 5, 1), (7, 8, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fps", "timecode", "mode"),
    [
        (Fraction(25), 25, "NON-DROP FRAME"),
        (Fraction(24000, 1001), 24000 / 1001, "NON-DROP FRAME"),
        (Fraction(30000, 1001), 30000 / 1001, "DROP FRAME"),
        (Fraction(15), 24000 / 1001, "NON-DROP FRAME"),
    ],
)
def test_edl_by_its_adapter(analysis, fps, timecode, mode, tmp_path):
    analysis = at_rate(analysis, fps)
    path = facetrack.export(analysis, "edl", tmp_path / "people.edl")
    assert f"FCM: {mode}" in path.read_text("utf-8").splitlines()
    (track,) = otio.adapters.read_from_file(str(path), rate=timecode).tracks
    people = sorted(analysis.people, key=lambda p: p.id)
    wanted = [
        (f"PERSON: {READ.get(p.id, p.name)}", i.start_frame / fps, i.end_frame / fps)
        for p in people for i in analysis.intervals if i.person == p.id
    ]  # fmt: skip
    assert len(track) == len(wanted)
    end = 0
    for clip, (comment, start_s, end_s) in zip(track, wanted, strict=True):
        assert list(clip.metadata["cmx_3600"]["comments"]) == [comment]
        assert clip.name == "sample.mp4"
        where, source = clip.range_in_parent(), clip.source_range
        assert where.start_time.value == end  # back to back
        end = where.end_time_exclusive().value
        assert source.start_time.to_seconds() == pytest.approx(start_s, abs=0.5 / timecode + 1e-9)
        assert source.end_time_exclusive().to_seconds() == pytest.approx(
            end_s, abs=0.5 / timecode + 1e-9
        )


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
def test_fcpxml_by_lxml(analysis, fps, tmp_path):
    analysis = at_rate(analysis, fps)
    path = facetrack.export(analysis, "fcpxml", tmp_path / "people.fcpxml")
    root = lxml.etree.parse(str(path)).getroot()
    structure = lxml.etree.DTD(io.StringIO(FCPXML))
    assert structure.validate(root), structure.error_log
    frame = Fraction(root.find(".//format").get("frameDuration").rstrip("s"))
    assert frame == 1 / fps

    def frames(element, *names):
        counts = [Fraction(element.get(name).rstrip("s")) / frame for name in names]
        assert all(count.denominator == 1 for count in counts)
        return [int(count) for count in counts]

    wanted = {
        (READ.get(p.id, p.name), i.start_frame, i.end_frame - i.start_frame)
        for p in analysis.people for i in analysis.intervals if i.person == p.id
    }  # fmt: skip
    words = root.findall(".//keyword")
    assert {(k.get("value"), *frames(k, "start", "duration")) for k in words} == wanted
    clips = root.findall(".//gap/asset-clip")
    assert {(c.get("name"), *frames(c, "offset", "duration")) for c in clips} == wanted
    assert all(c.get("offset") == c.get("start") for c in clips)
    lanes = {c.get("name"): int(c.get("lane")) for c in clips}
    assert sorted(lanes.values()) == [p.id for p in analysis.people]


def test_a_video_without_people(analysis, tmp_path):
    nobody = replace(analysis, people=[], tracks=[], intervals=[], faces=analysis.faces.slice(0, 0))
    for name in OUR_FORMATS:
        facetrack.export(nobody, name, tmp_path / f"nobody{exporter_of(name).suffix}")
    assert read_vtt(tmp_path / "nobody.vtt") == []
    assert list(otio.adapters.read_from_file(str(tmp_path / "nobody.otio")).find_clips()) == []
    assert (tmp_path / "nobody.mot.txt").read_text() == ""
    assert len(duckdb.read_parquet(str(tmp_path / "nobody.parquet")).fetchall()) == 0


def run(*arguments, before=""):
    return subprocess.run(
        [sys.executable, "-c", f"{before}\nfrom facetrack.cli import main; main()",
         *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def test_the_command(analysis, tmp_path):
    for name in ("a", "b"):
        analysis.save(tmp_path / name)
    done = run("export", tmp_path / "a", tmp_path / "gone", tmp_path / "b", "--format", "srt")
    assert done.returncode == 3
    assert "gone" in done.stderr
    assert done.stdout.split() == [
        str(tmp_path / name / "exports" / "sample.srt") for name in ("a", "b")
    ]
    done = run("export", tmp_path / "a", tmp_path / "b", "-f", "srt", "-o", tmp_path / "x.srt")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    done = run("export", tmp_path / "a", "-f", "docx")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'docx' is none of csv, parquet" in done.stderr


def test_without_the_extra_one_line_says_what_to_install(analysis, tmp_path):
    analysis.save(tmp_path / "a")
    missing = "import sys; sys.modules['opentimelineio'] = None"
    done = run("export", tmp_path / "a", "-f", "otio", before=missing)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'facetrack[exports]'" in done.stderr
    assert not (tmp_path / "a" / "exports" / "sample.otio").exists()


def test_a_failed_export_leaves_nothing(analysis, tmp_path):
    (tmp_path / "names.srt").mkdir()
    with pytest.raises(OSError):
        facetrack.export(analysis, "srt", tmp_path / "names.srt")
    assert [p.name for p in tmp_path.iterdir()] == ["names.srt"]
    with pytest.raises(facetrack.FacetrackError, match="none of csv"):
        facetrack.export(analysis, "docx", tmp_path / "names.docx")
