"""Scores compared with a truth that is exact by construction, and with TrackEval's own."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace

import numpy as np
import pytest
import trackeval

import facetrack
from facetrack.cli.evaluate import evaluate
from facetrack.core.frame_range import FrameTimes
from facetrack.core.settings import IdentitySettings
from facetrack.evaluation.regrouping import PROBABILITIES, THRESHOLDS, regrouped
from facetrack.evaluation.scores import compare
from facetrack.evaluation.truth import LabelledBoxes, read_truth
from facetrack_bench.joined_film import (
    LEFT,
    RIGHT,
    SMALL,
    WHOLE,
    Part,
    PlacedVideo,
    make_film,
    write_truth,
)


@pytest.fixture(scope="module")
def joined(pyfeat_data, tmp_path_factory):
    """A woman and a man: she alone, he alone and small, both side by side, she alone and small."""
    folder = tmp_path_factory.mktemp("joined")
    her, him = pyfeat_data / "WolfgangLanger_Pexels.mp4", pyfeat_data / "single_face.mp4"
    parts = [
        Part((PlacedVideo(1, her, 0.5, WHOLE),), 20),
        Part((PlacedVideo(2, him, 0.0, SMALL),), 20),
        Part((PlacedVideo(1, her, 9.0, LEFT), PlacedVideo(2, him, 1.0, RIGHT)), 20),
        Part((PlacedVideo(1, her, 12.0, SMALL),), 20),
    ]
    ranges = make_film(parts, folder / "film.mp4", (640, 360))
    write_truth(folder / "film.mp4", parts, ranges, folder / "truth.txt")
    facetrack.analyze(folder / "film.mp4").save(folder / "film")
    return folder


def test_people_of_a_joined_film_are_distinguished(joined):
    found = facetrack.evaluate(facetrack.Analysis.load(joined / "film"), joined / "truth.txt")
    assert (found.people, found.frames, found.left_out) == (2, 80, 0)
    by = found.by_person
    assert (by.idf1, by.purity, by.coverage, by.switches) == (1, 1, 1, 0)
    assert by.mota == 1
    assert 0.85 < by.hota < 1  # boxes between key frames differ by pixels from the cascade's
    # Two people with five tracks of the same length.
    assert found.by_track.purity == 1
    assert found.by_track.coverage == pytest.approx(2 / 5)
    assert sorted(true for true, _, _ in found.pairs) == [1, 2]


def test_the_command_prints_the_same(joined, capsys):
    done = command("evaluate", joined / "film", "--truth", joined / "truth.txt", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    found = facetrack.evaluate(facetrack.Analysis.load(joined / "film"), joined / "truth.txt")
    assert {k: printed[k] for k in found.to_dict()} == json.loads(json.dumps(found.to_dict()))
    evaluate(joined / "film", joined / "truth.txt", thresholds=True)
    shown = capsys.readouterr().out
    assert "2 people in the truth, 2 found" in shown
    assert "by person, from another probability on" in shown
    assert "0.50: 2 people" in shown


def test_probabilities_are_compared_or_cosines_if_the_run_set_one(joined):
    analysis = facetrack.Analysis.load(joined / "film")
    found = facetrack.evaluate(analysis, joined / "truth.txt", thresholds=True).to_dict()
    assert [t["probability"] for t in found["thresholds"]] == list(PROBABILITIES)
    assert {t["threshold"] for t in found["thresholds"]} == {None}
    assert [t["people"] for t in found["thresholds"] if t["probability"] == 0.5] == [2]
    identity = {**analysis.settings["identity"], "threshold": 0.3}
    by_cosine = replace(analysis, settings={**analysis.settings, "identity": identity})
    found = facetrack.evaluate(by_cosine, joined / "truth.txt", thresholds=True).to_dict()
    assert [t["threshold"] for t in found["thresholds"]] == list(THRESHOLDS)
    assert {t["probability"] for t in found["thresholds"]} == {None}


def test_trackeval_counts_the_same_from_files(joined, tmp_path):
    """TrackEval reads the truth and our export itself, and matches the boxes itself."""
    analysis = facetrack.Analysis.load(joined / "film")
    # Identities are wrong on purpose, because scores that are all 1 would prove little.
    wrong = replace(analysis, faces=mixed_up(analysis.faces))
    facetrack.export(wrong, "mot", tmp_path / "trackers" / "us" / "data" / "film.txt")
    truth = tmp_path / "truth" / "film" / "gt" / "gt.txt"
    truth.parent.mkdir(parents=True)
    truth.write_text((joined / "truth.txt").read_text().replace("\n", ",1,1\n"))
    with redirect_stdout(io.StringIO()):
        data = trackeval.datasets.MotChallenge2DBox(
            {
                "GT_FOLDER": str(tmp_path / "truth"),
                "TRACKERS_FOLDER": str(tmp_path / "trackers"),
                "SEQ_INFO": {"film": len(analysis.frame_times)},
                "SKIP_SPLIT_FOL": True,
                "DO_PREPROC": False,
            }
        )
        both = data.get_preprocessed_seq_data(data.get_raw_seq_data("us", "film"), "pedestrian")
        hota = trackeval.metrics.HOTA().eval_sequence(both)["HOTA"].mean()
        mota = trackeval.metrics.CLEAR().eval_sequence(both)["MOTA"]
        idf1 = trackeval.metrics.Identity().eval_sequence(both)["IDF1"]
    by = facetrack.evaluate(wrong, joined / "truth.txt").by_person
    assert 0.3 < by.idf1 < 0.9
    assert by.idf1 == pytest.approx(idf1)
    assert by.mota == pytest.approx(mota)
    assert by.hota == pytest.approx(hota, abs=1e-3)  # boxes are rounded in the files


def mixed_up(faces):
    """Faces with persons 1 and 2 exchanged in the last frames."""
    person, frame = faces["person"].to_numpy().copy(), faces["frame"].to_numpy()
    person[frame > 60] = 3 - person[frame > 60]
    at = faces.column_names.index("person")
    return faces.set_column(at, faces.schema.field("person"), [person])


def labelled(*rows):
    """Boxes ten pixels wide, one per row of frame, id and left edge."""
    frames, ids, left = np.array(rows, float).reshape(-1, 3).T
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1)
    return LabelledBoxes(frames.astype(int), ids.astype(int), boxes.astype(np.float32))


SECOND = FrameTimes(np.arange(101.0), 0)
"""One frame per second."""


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        # One person, found as another one from half way on.
        (
            [(f, 1, 0) for f in range(10)],
            [(f, 7 if f < 6 else 8, 0) for f in range(10)],
            {"idf1": 0.6, "mota": 0.9, "purity": 1, "coverage": 0.6, "switches": 1},
        ),
        # Two people, one after the other, found as one.
        (
            [(f, 1 if f < 6 else 2, 0) for f in range(10)],
            [(f, 7, 0) for f in range(10)],
            {"idf1": 0.6, "mota": 1, "purity": 0.6, "coverage": 1, "switches": 0},
        ),
        # Two at the same time; one is missed in 4 frames, and one box is found where nobody is.
        (
            [(f, p, 100 * p) for f in range(10) for p in (1, 2)],
            [(f, p, 100 * p) for f in range(10) for p in (1, 2, 3)
             if not (p == 2 and f < 4) and (p < 3 or f == 5)],
            {"missed": 4, "extra": 1, "mota": 0.75, "idf1": 16 / 18.5, "purity": 1, "coverage": 1},
        ),
        # A box too far off is a miss and an extra.
        (
            [(f, 1, 0) for f in range(10)],
            [(f, 1, 5 if f == 3 else 3) for f in range(10)],
            {"missed": 1, "extra": 1, "mota": 0.8, "idf1": 0.9},
        ),
        ([(0, 1, 0)], [], {"missed": 1, "idf1": 0, "hota": 0, "purity": 0, "coverage": 0}),
    ],
)  # fmt: skip
def test_scores_by_hand(truth, found, expected):
    scores = compare(labelled(*truth), labelled(*found), SECOND).scores
    for name, value in expected.items():
        assert getattr(scores, name) == pytest.approx(value), name


def test_purity_counts_seconds(joined):
    """Frames that are shown longer count more: 6 of 10 frames, but 15 of 19 seconds."""
    edges = np.append(0, np.cumsum([1, 1, 1, 1, 1, 10, 1, 1, 1, 1])).astype(float)
    truth = labelled(*((f, 1 if f < 6 else 2, 0) for f in range(10)))
    found = labelled(*((f, 7, 0) for f in range(10)))
    assert compare(truth, found, FrameTimes(edges, 0)).scores.purity == pytest.approx(15 / 19)


def test_truth_in_every_format(joined, tmp_path):
    analysis = facetrack.Analysis.load(joined / "film")
    wanted = read_truth(joined / "film" / "faces.parquet")
    facetrack.export(analysis, "csv", tmp_path / "truth.csv")
    facetrack.export(analysis, "mot", tmp_path / "truth.txt")
    lines = (tmp_path / "truth.txt").read_text()
    (tmp_path / "ignored.txt").write_text(lines + "1,9,1,1,30,30,0,1,1,-1\n")
    for file in (
        joined / "film",
        *(tmp_path / n for n in ("truth.csv", "truth.txt", "ignored.txt")),
    ):
        truth = read_truth(file)
        np.testing.assert_array_equal(truth.frames, wanted.frames)
        np.testing.assert_array_equal(truth.ids, wanted.ids)
        np.testing.assert_allclose(truth.boxes, wanted.boxes, atol=1e-2)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.txt", None, "no truth"),
        ("words.txt", "hello\n", "no truth"),
        ("short.txt", "1,1,5,5\n", "6 needed"),
        ("other.csv", "a,b\n1,2\n", "person"),
        ("broken.parquet", "hello", "no truth"),
        ("twice.txt", "3,4,1,1,9,9\n3,4,2,2,9,9\n", "4 is twice in frame 2"),
        ("late.txt", "500,4,1,1,9,9\n", "no box in the frames 0 to 79"),
    ],
)
def test_an_unreadable_truth_is_an_input_error(joined, name, content, words, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(facetrack.FacetrackError, match=words) as raised:
        facetrack.evaluate(facetrack.Analysis.load(joined / "film"), tmp_path / name)
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("which", ["joined", "demo_analysis"])
def test_the_same_settings_give_the_same_people(which, request):
    analysis = request.getfixturevalue(which)
    if which == "joined":
        analysis = facetrack.Analysis.load(analysis / "film")
    probability = analysis.settings["identity"]["probability"]
    count, faces = regrouped(analysis, IdentitySettings(probability=probability))
    assert count == len(analysis.people)
    pairs = set(zip(faces["person"].to_pylist(), analysis.faces["person"].to_pylist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_regrouping_without_people(demo_analysis):
    nobody = replace(
        demo_analysis, people=[], tracks=[], embeddings={}, faces=demo_analysis.faces.slice(0, 0)
    )
    assert regrouped(nobody, IdentitySettings()) == (0, nobody.faces)


def test_without_the_extra_one_line_says_what_to_install(joined):
    missing = "import sys; sys.modules['trackeval'] = None"
    done = command("evaluate", joined / "film", "--truth", joined / "truth.txt", before=missing)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'facetrack[evaluate]'" in done.stderr


def command(*arguments, before=""):
    return subprocess.run(
        [sys.executable, "-c", f"{before}\nfrom facetrack.cli import main; main()",
         *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
