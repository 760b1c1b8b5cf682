"""Whom the clips show: words, numbers, names and photos, in every mode."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrack.clips.plan.photo import Enroller, face_of
from facetrack.clips.plan.target import choose, targets_of
from facetrack.core.errors import TargetError, UsageError
from facetrack.core.settings import ClipSettings, DetectionSettings, IdentitySettings, Settings
from facetrack.core.types import VideoInfo
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.pipeline.engine import open_engine
from facetrack.recognition.calibration import SFACE
from facetrack.timeline import FACE_COLUMNS, Analysis, Person, RecognizerInfo


def analysis_of(heights):
    """People 1, 2, ... with faces so tall in their one frame; the last one comes first."""
    n = len(heights)
    rows = [
        dict(zip(FACE_COLUMNS.names, (0, 0.0, i, i, 0, 0, 9, h, 1.0, [0.0] * 10, "detected"),
                 strict=True))
        for i, h in enumerate(heights, start=1)
    ]  # fmt: skip
    return Analysis(
        info=VideoInfo(Path("talk.mp4"), 64, 64, 0, 1, Fraction(25), 0.04, False, "h264"),
        people=[Person(i + 1, f"Person {i + 1}", 1, 1.0, n - i, 9.0, None) for i in range(n)],
        tracks=[], intervals=[], shots=[], dropped=[],
        faces=FACE_COLUMNS.empty_table().from_pylist(rows, FACE_COLUMNS),
        frame_times=np.zeros(1), first_frame=0, embeddings={},
        recognizer=RecognizerInfo("sface", 128, SFACE),
    )  # fmt: skip


FIVE = analysis_of([10, 30, 20, 50, 40])


def chosen(*target, mode="each", analysis=FIVE, people=None):
    settings = ClipSettings(target=target, mode=mode, people=people)
    return [c.person for c in choose(targets_of(settings), mode, analysis, Enroller())]


@pytest.mark.parametrize(
    ("target", "mode", "people"),
    [
        (["most-frequent"], "each", [1]),
        (["first"], "single", [5]),
        (["largest"], "each", [4]),
        (["all"], "each", [1, 2, 3, 4, 5]),
        (["3"], "single", [3]),
        (["3", "1"], "each", [3, 1]),
        (["3,1", "1"], "each", [3, 1]),
        (["2", "all"], "each", [2, 1, 3, 4, 5]),
        (["most-frequent"], "split", [1, 2]),
        (["largest"], "split", [4, 5]),
        (["2,most-frequent"], "split", [2, 1]),
        (["most-frequent,1"], "split", [2, 1]),
        (["first,largest"], "split", [5, 4]),
        (["most-frequent"], "grid", [1, 2, 3, 4]),
        (["5"], "grid", [5]),
        (["most-frequent"], "follow", [1, 2, 3, 4, 5]),
        (["4,2"], "follow", [4, 2]),
        (["person 2"], "each", [2]),
    ],
)
def test_who_is_chosen(target, mode, people):
    assert chosen(*target, mode=mode) == people


@pytest.mark.parametrize(
    ("target", "mode", "error", "words"),
    [
        (["9"], "each", TargetError, "target 9 is not in this video; there are 1, 2, 3, 4, 5"),
        (["Ada"], "each", TargetError, "target Ada is not in this video"),
        (["all"], "single", UsageError, "single shows 1 at most and the target gives 5"),
        (["1,2,3"], "split", UsageError, "split shows 2 at most"),
        (["all"], "grid", UsageError, "grid shows 4 at most"),
        (["1"], "split", TargetError, "split shows two people, the target gives 1"),
        ([" , "], "each", UsageError, "must name somebody"),
        (["ada.jpg"], "each", UsageError, "no photo ada.jpg"),
    ],
)
def test_what_cannot_be_chosen_is_said(target, mode, error, words):
    with pytest.raises(error, match=words):
        chosen(*target, mode=mode)


def test_nobody_there():
    nobody = analysis_of([])
    assert chosen("all", analysis=nobody) == []
    assert chosen("most-frequent", mode="split", analysis=nobody) == []
    with pytest.raises(TargetError, match="there is nobody"):
        chosen("1", analysis=nobody)


def test_names_of_the_analysis_and_of_a_people_file(tmp_path):
    named = replace(FIVE, people=[replace(FIVE.people[0], name="Bo"), *FIVE.people[1:]])
    assert chosen("bo", analysis=named) == [1]
    file = tmp_path / "people.toml"
    file.write_text('Ada = 2\nBo = 3\nEve = "eve.jpg"\n')
    settings = ClipSettings(target=("ada,BO",), people=file)
    found = choose(targets_of(settings), "each", named, Enroller())
    assert [(c.person, c.name) for c in found] == [(2, "Ada"), (3, "Bo")]
    with pytest.raises(UsageError, match=r"no photo .*eve\.jpg"):
        chosen("Eve", people=file)
    with pytest.raises(TargetError, match="target Max"):
        chosen("Max", people=file)


@pytest.mark.parametrize(
    ("text", "words"),
    [("Ada = 0", "Ada is 0"), ("Ada = [1]", "Ada is"), ("Ada", "not TOML"), (None, "No such file")],
)
def test_a_people_file_that_makes_no_sense(tmp_path, text, words):
    file = tmp_path / "people.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=words):
        chosen("Ada", people=file)


def test_a_file_may_have_a_comma(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a,b.png")
    (target,) = targets_of(ClipSettings(target=("a,b.png",)))
    assert target.meant == Path("a,b.png")


@pytest.fixture(scope="module")
def talking(pyfeat_data, analysed):
    """Analysis of a man who talks; the same man is in single_face.jpg."""
    return analysed(pyfeat_data / "single_face.mp4")


def photo_targets(photo, analysis):
    return chosen(str(photo), analysis=analysis)


def test_a_photo_finds_its_person(pyfeat_data, talking, tmp_path):
    assert photo_targets(pyfeat_data / "single_face.jpg", talking) == [1]
    file = tmp_path / "people.toml"
    (tmp_path / "max.jpg").write_bytes((pyfeat_data / "single_face.jpg").read_bytes())
    file.write_text('Max = "max.jpg"\n')
    settings = ClipSettings(target=("max",), people=file)
    (found,) = choose(targets_of(settings), "each", talking, Enroller())
    assert (found.person, found.name) == (1, "Max")


def test_the_face_of_a_thumbnail_and_of_a_turned_photo_is_found(pyfeat_data, talking, tmp_path):
    """``people/person_01.jpg`` shows nothing but the face; cameras turn photos by a tag."""
    (tmp_path / "thumbnail.jpg").write_bytes(talking.thumbnails[1])
    assert photo_targets(tmp_path / "thumbnail.jpg", talking) == [1]
    turned = Image.open(pyfeat_data / "single_face.jpg").rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen, turn by 90 degrees clockwise
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert photo_targets(tmp_path / "turned.jpg", talking) == [1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("free-mountain-vector-01.jpg", "shows no face"),
        ("multi_face.jpg", "shows 5 faces"),
        (
            "0-f15-hao-ph.jpg",
            r"with a probability of 0\.\d\d, and a probability of 0\.50 is needed",
        ),
    ],
)
def test_a_photo_that_is_nobody_is_said(pyfeat_data, talking, name, words):
    with pytest.raises(TargetError, match=words):
        photo_targets(pyfeat_data / name, talking)


def test_a_file_that_is_no_image_is_said(tmp_path, talking):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(UsageError, match="no image that can be read"):
        photo_targets(tmp_path / "a.jpg", talking)


def test_where_a_cosine_was_set_it_decides_about_a_photo(pyfeat_data, talking):
    strict = {**talking.settings, "identity": {**talking.settings["identity"], "threshold": 0.99}}
    with pytest.raises(TargetError, match=r"with a cosine of 0\.[5-9]\d, and a cosine of 0\.99 is"):
        photo_targets(pyfeat_data / "single_face.jpg", replace(talking, settings=strict))


def test_a_photo_is_not_compared_with_another_networks_embeddings(pyfeat_data, talking):
    by_another = replace(talking, recognizer=replace(talking.recognizer, name="facenet"))
    with pytest.raises(UsageError, match="by sface, and those of the video are by facenet"):
        photo_targets(pyfeat_data / "single_face.jpg", by_another)


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
@pytest.mark.parametrize("recognizer", ["sface", "facenet"])
def test_the_shown_frames_an_analysis_find_their_people(
    demo_analysis, recognizer, detector, tmp_path, analysed
):
    """Thumbnails of ``people/`` show nothing but a face, of 61 pixels and more in the video."""
    settings = Settings(identity=IdentitySettings(recognizer))
    analysis = analysed(demo_analysis.info.path, settings)
    engine = open_engine(DetectionSettings(detector=detector), settings.identity)
    enroller = Enroller(engine)
    for person, jpeg in analysis.thumbnails.items():
        photo = tmp_path / f"{person}.jpg"
        photo.write_bytes(jpeg)
        assert enroller.find(photo, analysis) == person


def test_a_photos_log_odds_are_the_mean_over_a_persons_tracks(pyfeat_data, talking):
    (track,) = [t for t in talking.tracks if t.person]
    engine = open_engine(DetectionSettings(), IdentitySettings())
    face = face_of(pyfeat_data / "single_face.jpg", engine, 0.95)
    own = talking.embeddings[track.id]
    other = np.roll(own, 1)
    alone = [
        PeopleSimilarity(replace(talking, embeddings={track.id: vector})).of_face(face)[1]
        for vector in (own, other)
    ]
    two = replace(
        talking,
        tracks=[track, replace(track, id=99)],
        embeddings={track.id: own, 99: other},
    )
    assert PeopleSimilarity(two).of_face(face)[1] == pytest.approx(np.mean(alone), abs=1e-4)
    assert alone[0] > 2 > -2 > alone[1]
