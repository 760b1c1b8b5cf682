"""The same people over several videos: the demo's film cut in two, and what people.json says."""

import json
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from facetrack.cli.join_view import join_analyses
from facetrack.cli.people import name_person
from facetrack.core.errors import UsageError
from facetrack.identity import editing
from facetrack.identity.cannot_link import cannot_link_people
from facetrack.identity.folder import edit
from facetrack.identity.joining import ACROSS, join_folders
from facetrack.identity.people_file import PEOPLE_FILE, joined_in
from facetrack.timeline import Analysis
from facetrack.timeline.history import History
from made.command import facetrack as command
from made.command import one_line


def cut(film, out, start_s, end_s):
    with av.open(str(film)) as source, av.open(str(out), "w") as part:
        stream = part.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number, image in enumerate(
            p for p in source.decode(video=0) if start_s <= p.time < end_s
        ):
            image.pts, image.time_base = number, Fraction(1, 25)
            part.mux(stream.encode(image))
        part.mux(stream.encode(None))
    return out


def people_of(folder):
    """The content of ``people.json``, and number to the seconds in each video."""
    data = json.loads((folder / PEOPLE_FILE).read_text())
    assert data["schema"] == "facetrack/people/1"
    return data, {
        p["id"]: {v["folder"]: round(v["seconds"], 1) for v in p["videos"]} for p in data["people"]
    }


def test_a_film_cut_in_two_has_the_same_people(demo_analysis, tmp_path):
    """The man is seen first and longest in the second part, the woman longest in both together."""
    film = demo_analysis.info.path
    one = cut(film, tmp_path / "one.mp4", 2.0, 5.4)  # her 3.0 s, him 0.4 s
    two = cut(film, tmp_path / "two.mp4", 13.4, 17.2)  # him 2.0 s, her 1.8 s
    (tmp_path / "bad.mp4").write_text("hello")
    out = tmp_path / "out"
    done = command("analyze", one, tmp_path / "bad.mp4", two, "-o", out, "--same-people", "-q")
    assert done.returncode == 3
    said = done.stderr.splitlines()
    assert len(said) == 2 and all("bad.mp4" in line for line in said)  # why, and the summary
    data, people = people_of(out)
    assert people == {1: {"one": 3.0, "two": 1.8}, 2: {"one": 0.4, "two": 2.0}}
    assert [v["folder"] for v in data["videos"]] == ["one", "two"]
    assert (data["recognizer"], data["probability"], data["threshold"]) == ("sface", ACROSS, None)
    for person in data["people"]:
        assert (out / person["thumbnail"]).is_file()
        for video in person["videos"]:
            assert video["similarity"] > 0.5
            assert video["probability"] > ACROSS
            loaded = Analysis.load(out / video["folder"])
            mine = [i for i in loaded.intervals if i.person == person["id"]]
            assert [i["start_frame"] for i in video["intervals"]] == [i.start_frame for i in mine]
    assert [p.id for p in Analysis.load(out / "two").people] == [2, 1]


def part(analysis, people):
    """The analysis as if of a video in which only these were found, numbered anew."""
    gone = [p.id for p in analysis.people if p.id not in people]
    left = editing.forgotten(analysis, gone)
    number = {p.id: n for n, p in enumerate(left.people, 1)}
    return replace(editing.renumbered(left, number), next_person=0, dropped=[])


@pytest.fixture
def parts(demo_analysis, tmp_path):
    """Persons 1, 2 and 3 in a; 3, 4 and 2 in b: there 2 is 1."""
    for name, people in (("a", (1, 2, 3)), ("b", (2, 3, 4))):
        part(demo_analysis, people).save(tmp_path / name)
    return [tmp_path / "a", tmp_path / "b"]


def test_numbers_are_by_screen_time_over_all(parts, tmp_path):
    numbers = join_folders(parts, tmp_path)
    assert numbers == [{1: 1, 2: 2, 3: 3}, {1: 2, 2: 3, 3: 4}] or numbers == [
        {1: 2, 2: 1, 3: 3},
        {1: 1, 2: 3, 3: 4},
    ]  # fmt: skip - her 9.00 s, him twice 4.44 s
    _, people = people_of(tmp_path)
    assert people[3] == {"a": 3.0, "b": 3.0}
    assert people[4] == {"b": 3.0}
    assert joined_in(parts[0]) == tmp_path / PEOPLE_FILE
    assert Analysis.load(parts[1]).next_person == 5
    assert History(parts[1]).steps() == ["join"]
    first = (tmp_path / PEOPLE_FILE).read_bytes()
    join_folders(parts, tmp_path)  # again changes nothing
    assert (tmp_path / PEOPLE_FILE).read_bytes() == first
    assert History(parts[1]).steps() == ["join"]


def test_one_name_is_one_person_and_two_names_are_two(parts, tmp_path):
    edit(parts[0], "name", lambda a: editing.named(a, 2, "Max"))
    edit(parts[1], "name", lambda a: editing.named(a, 1, "Bo"))  # the same man
    edit(parts[0], "name", lambda a: editing.named(a, 3, "Eve"))
    edit(parts[1], "name", lambda a: editing.named(a, 3, "eve"))  # another woman
    join_folders(parts, tmp_path)
    data, people = people_of(tmp_path)
    named = {p["name"]: people[p["id"]] for p in data["people"]}
    assert named["Max"] == {"a": 4.4}
    assert named["Bo"] == {"b": 4.4}
    assert named["Eve"] == {"a": 3.0, "b": 3.0}
    assert {p.name for p in Analysis.load(parts[1]).people} >= {"Bo", "Eve"}


def test_a_blurred_face_does_not_make_two_people_of_two_videos_one(demo_analysis, tmp_path):
    """It is similar to both; a good face in its place would join them."""
    her, him = (part(demo_analysis, (p,)) for p in (1, 2))
    one = her.embeddings[min(her.embeddings)]
    other = him.embeddings[min(him.embeddings)]
    other = other - (other @ one) * one
    two = 0.35 * one + np.sqrt(1 - 0.35**2) * other / np.linalg.norm(other)
    between = (one + two) / np.linalg.norm(one + two)
    a, b, c = (with_only(her, one), with_only(him, two), with_only(her, between, blurred=True))
    for name, analysis in {"a": a, "b": b, "c": c}.items():
        analysis.save(tmp_path / name)
    folders = [tmp_path / name for name in "abc"]
    join_folders(folders, tmp_path)
    _, people = people_of(tmp_path)
    assert [p for p in people.values() if {"a", "b"} <= p.keys()] == []
    join_folders(folders, tmp_path, threshold=0.5)
    assert [set(p) for p in people_of(tmp_path)[1].values()] == [{"a", "b", "c"}]


def with_only(analysis, vector, blurred=False):
    """The analysis with this embedding for all tracks."""
    worse = {"face_px": 24.0, "sharpness": 0.0, "frontality": 0.2, "faces": 1} if blurred else {}
    return replace(
        analysis,
        tracks=[replace(t, **worse) for t in analysis.tracks],
        embeddings={t: vector.astype(np.float32) for t in analysis.embeddings},
    )


def test_analyses_made_with_a_threshold_of_cosine_are_joined_by_cosine(parts, tmp_path):
    def with_identity(folder, **identity):
        analysis = Analysis.load(folder)
        old = {**analysis.settings["identity"], **identity}
        identity = {k: v for k, v in old.items() if v is not None}
        replace(analysis, settings={**analysis.settings, "identity": identity}).save(folder)

    with_identity(parts[0], threshold=0.62)
    join_folders(parts, tmp_path)
    assert (people_of(tmp_path)[0]["threshold"], people_of(tmp_path)[0]["probability"]) == (
        0.62,
        None,
    )
    with_identity(parts[0], threshold=0.62, probability=None)  # 0.1 always stored one
    join_folders(parts, tmp_path)
    assert people_of(tmp_path)[0]["probability"] == ACROSS
    with_identity(parts[0], threshold=None, probability=0.95)
    join_folders(parts, tmp_path)
    assert people_of(tmp_path)[0]["probability"] == 0.95


def test_people_who_share_a_frame_stay_two(demo_analysis, parts, tmp_path):
    assert {(3, 4), (3, 5), (6, 7)} <= cannot_link_people(demo_analysis)
    assert (1, 2) not in cannot_link_people(demo_analysis)
    join_folders(parts, tmp_path, threshold=-0.9)  # everybody is similar enough
    assert sorted(people_of(tmp_path)[1]) == [1, 2]  # 3 and 4 are of one photo
    assert len(Analysis.load(parts[1]).people) == 2


def test_two_networks_are_not_compared(demo_analysis, parts, tmp_path):
    other = replace(demo_analysis.recognizer, name="another")
    replace(demo_analysis, recognizer=other).save(tmp_path / "c")
    with pytest.raises(UsageError, match="another and sface cannot be compared"):
        join_folders([*parts, tmp_path / "c"], tmp_path)


def test_folders_are_joined_by_the_command(parts, tmp_path, capsys):
    (parts[1] / "embeddings.npz").write_bytes(b"no")
    assert join_analyses([tmp_path], None, None) == 3
    said = capsys.readouterr()
    assert "b holds no readable analysis" in one_line(said.err)
    assert "3 people in 1 video " in said.out
    assert {v["folder"] for v in people_of(tmp_path)[0]["videos"]} == {"a"}


def test_an_edit_says_that_people_json_is_out_of_date(parts, tmp_path, capsys):
    join_folders(parts, tmp_path)
    name_person(parts[0], 1, "Ada")
    said = capsys.readouterr().out
    assert "people.json is older than this edit; update it with: facetrack people join" in said
    join_folders(parts, tmp_path)
    assert people_of(tmp_path)[0]["people"][0]["name"] == "Ada"
