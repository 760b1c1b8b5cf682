"""``facetrack bench --rivals``: loops of other libraries on the same frames as facetrack."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from facetrack.media.images import open_image
from facetrack_bench.joined_film import SMALL, WHOLE, Part, PlacedVideo, make_film, write_truth
from facetrack_bench.known_faces import KnownFaces
from facetrack_bench.known_film import TRUTH, people_of, scenes, truth_of
from facetrack_bench.parts import PART, chosen_frames
from facetrack_bench.rival_loops import LOOPS, OpenCv, Program
from facetrack_bench.rivals import OURS
from facetrack_bench.worker import in_own_process
from made.command import facetrack
from made.media import make_video

FRAMES = 36


@pytest.fixture(scope="module")
def film(pyfeat_data, tmp_path_factory):
    """A woman, a man, the woman again and small."""
    film = tmp_path_factory.mktemp("film") / "film.mp4"
    her, him = pyfeat_data / "WolfgangLanger_Pexels.mp4", pyfeat_data / "single_face.mp4"
    parts = [
        Part((PlacedVideo(1, her, 0.5, WHOLE),), FRAMES // 3),
        Part((PlacedVideo(2, him, 0.0, WHOLE),), FRAMES // 3),
        Part((PlacedVideo(1, her, 9.0, SMALL),), FRAMES // 3),
    ]
    write_truth(film, parts, make_film(parts, film, (640, 360)), film.with_suffix(TRUTH))
    return film


def test_all_programs_stand_in_one_table(film, tmp_path):
    pytest.importorskip("trackeval")
    done = facetrack("bench", film, "--rivals", "--repeat", 1, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "bench.json").read_text())
    (video,) = report["rivals"]
    assert (video["frames"], video["frames_compared"]) == (FRAMES, FRAMES)
    assert [row["program"] for row in video["rows"]] == [OURS, *LOOPS]
    ours, *others = video["rows"]
    assert (ours["faces"], ours["people"], ours["idf1"], ours["times"]) == (FRAMES, 2, 1, 1)
    shown = " ".join(done.stdout.split())
    for row in others:
        assert LOOPS[row["program"]].label in shown
        missing = LOOPS[row["program"]].missing
        if missing:
            assert row["note"] == missing and missing in shown
        else:
            assert row["times"] == round(ours["frames_per_second"] / row["frames_per_second"], 2)


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_finds_the_people(film, name):
    """Easy ones, so that each library that is used as it should be has them all right."""
    pytest.importorskip("trackeval")
    if missing := LOOPS[name].missing:
        pytest.skip(missing)
    frames = [*range(0, FRAMES, 6)]
    found = in_own_process(
        "rivals", film, program=name, frames=frames, truth=str(truth_of(film)), repeat=1
    )
    assert (found["frames"], found["faces"], found["people"]) == (len(frames), len(frames), 2)
    assert found["idf1"] == 1
    assert found["frames_per_second"] > 0 and found["threads"] >= 1
    assert set(found["versions"]) == set(LOOPS[name].modules)


def test_opencv_finds_the_faces_of_a_photo_and_nobody_in_grey(pyfeat_data):
    pytest.importorskip("cv2", reason=LOOPS["opencv"].install)
    image = np.array(open_image(pyfeat_data / "multi_face.jpg"))
    loop = OpenCv()
    boxes, embeddings = loop.faces(image)
    assert boxes.shape == (5, 4) and embeddings.shape == (5, 128)
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1)
    far = np.linalg.norm(embeddings[:, None] - embeddings, axis=2)
    assert (far[~np.eye(5, dtype=bool)] > 1).all()  # two of these strangers are one by its limit
    assert len(loop.faces(np.full_like(image, 128)).boxes) == 0


def test_without_a_truth_and_without_faces(tmp_path):
    film = tmp_path / "grey.mp4"
    make_video(film, frames=8)
    done = facetrack("bench", film, "--rivals", "--repeat", 1, "--json", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    measured = [row for row in json.loads(line)["rows"] if "note" not in row]
    assert measured[0]["program"] == OURS
    for row in measured:
        assert (row["faces"], row["people"], row["idf1"]) == (0, 0, None)


def test_a_truth_that_cannot_be_read_ends_with_3(tmp_path):
    film = tmp_path / "talk.mp4"
    make_video(film, frames=8)
    assert truth_of(film) is None
    film.with_suffix(TRUTH).write_text("what was said\n")
    done = facetrack("bench", film, "--rivals", "-o", tmp_path / "out")
    assert done.returncode == 3
    assert "talk.truth.txt: no truth can be read" in done.stderr


def test_a_missing_library_says_how_it_is_installed():
    absent = Program("label", OpenCv, 1.0, ("json", "no_such_module"), "pip install it")
    assert absent.missing == "no_such_module is not installed: pip install it"


def test_the_nearest_known_face_is_the_person():
    known = KnownFaces(1.0)
    here, there = [0.0, 0.0], [5.0, 0.0]
    assert known.numbers_of(np.array([here, there])) == [1, 2]
    assert known.numbers_of(np.array([[4.5, 0.0], [0.5, 0.0]])) == [2, 1]
    assert known.numbers_of(np.array([[2.5, 0.0]])) == [3]
    assert known.numbers_of(np.zeros((0, 2))) == []
    # Nobody is there twice: the nearer face is the person, the other one the next known or new.
    assert known.numbers_of(np.array([[0.6, 0.0], [0.2, 0.0]])) == [4, 1]


def test_frames_are_chosen_in_parts_over_the_whole_video():
    chosen = chosen_frames(100, 4)
    assert len(chosen) == 4 * PART and chosen == sorted(set(chosen))
    assert (chosen[0], chosen[-1]) == (0, 99)
    starts = chosen[::PART]
    assert [chosen[i * PART : (i + 1) * PART] for i in range(4)] == [
        [*range(start, start + PART)] for start in starts
    ]
    assert chosen_frames(3, 24) == [0, 1, 2]
    assert chosen_frames(12, 24) == [*range(12)]


def test_the_known_film_shows_each_person_as_often():
    people = people_of(Path("media"))
    parts = scenes(people, 1, rounds=2)
    placed = [video for part in parts for video in part.videos]
    assert Counter(video.person for video in placed) == dict.fromkeys(range(1, 7), 2)
    for part in parts:
        for video in part.videos:
            assert video.file == list(people)[video.person - 1]
            latest = people[video.file] - part.frames / 25
            assert 0 <= video.start_s <= max(0.0, latest) + 0.005  # rounded to hundredths
