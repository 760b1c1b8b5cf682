"""A video that is analysed again keeps what users did to the result before."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from facetrack.identity import editing
from facetrack.identity.folder import edit, undo
from facetrack.identity.kept_edits import RUN_AGAIN, save_again
from facetrack.identity.person_images import cut_thumbnails
from facetrack.identity.track_matching import are_same_tracks, matched_tracks
from facetrack.timeline import Analysis
from facetrack.timeline.history import History


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "sample")
    return tmp_path / "sample"


def tracks_of(analysis, person):
    return [t.id for t in analysis.tracks if t.person == person]


def edited(folder):
    """Names, a merge, a split and somebody forgotten."""
    one = tracks_of(Analysis.load(folder), 1)
    edit(folder, "name 2 Ada", lambda a: editing.named(a, 2, "Ada"))
    edit(folder, "merge 3 4", lambda a: editing.merged(a, 3, [4]))
    edit(folder, "split 1", lambda a: cut_thumbnails(editing.split(a, 1, one[1:]), [1, 8]))
    edit(folder, "forget 5", lambda a: editing.forgotten(a, [5]))
    edit(folder, "name 8 Bo", lambda a: editing.named(a, 8, "Bo"))
    return Analysis.load(folder)


def later(analysis):
    """The same result of another run."""
    return replace(analysis, performance={**analysis.performance, "seconds": 9.9})


def with_other_tracks(analysis, by=100, shift=0.03):
    """As other settings could give it: other numbers of tracks and of people, and boxes that are a
    little elsewhere."""
    number = {t.id: t.id + by for t in analysis.tracks}
    people = {p.id: n for n, p in enumerate(reversed(analysis.people), 1)}
    swapped = editing.renumbered(analysis, people)
    faces = swapped.faces
    tracks = pa.array([number[t] for t in faces["track"].to_pylist()], pa.int32())
    faces = faces.set_column(faces.column_names.index("track"), faces.schema.field("track"), tracks)
    width = faces["x2"].to_numpy() - faces["x1"].to_numpy()
    for side in ("x1", "x2"):
        at = faces.column_names.index(side)
        moved = (faces[side].to_numpy() + shift * width).astype(np.float32)
        faces = faces.set_column(at, faces.schema.field(side), pa.array(moved))
    return replace(
        swapped,
        tracks=[replace(t, id=number[t.id]) for t in swapped.tracks],
        dropped=[replace(d, track=number[d.track]) for d in swapped.dropped],
        faces=faces,
        embeddings={number[t]: e for t, e in swapped.embeddings.items()},
        splits=[replace(s, track=number[s.track], into=number[s.into]) for s in swapped.splits],
        uncertain=[],
        next_person=0,
    )


def test_the_same_tracks_again_give_the_same_people(folder, demo_analysis):
    before = edited(folder)
    steps = History(folder).steps()
    kept = save_again(later(demo_analysis), folder)
    after = Analysis.load(folder)
    assert kept.problems == []
    assert kept.again == steps
    assert after.performance["seconds"] == 9.9
    assert replace(after, performance=before.performance) == before
    assert History(folder).steps() == [RUN_AGAIN, *steps]


def test_each_edit_that_was_done_again_is_undone_and_at_last_the_run(folder, demo_analysis):
    states = [Analysis.load(folder)]
    before = edited(folder)
    save_again(later(demo_analysis), folder)
    for what in ("name 8 Bo", "forget 5", "split 1", "merge 3 4", "name 2 Ada"):
        assert undo(folder)[0] == what
    assert replace(Analysis.load(folder), performance=states[0].performance) == states[0]
    what, analysis = undo(folder)
    assert what == RUN_AGAIN
    assert analysis == before


def test_a_third_run_keeps_them_too_and_one_result_before(folder, demo_analysis):
    edited(folder)
    steps = History(folder).steps()
    for _ in range(2):
        assert save_again(later(demo_analysis), folder).again == steps
    assert History(folder).steps() == [RUN_AGAIN, *steps]


def test_a_result_that_nobody_edited_is_replaced_without_a_step(folder, demo_analysis):
    kept = save_again(later(demo_analysis), folder)
    assert (kept.again, kept.problems) == ([], [])
    assert History(folder).steps() == []
    assert Analysis.load(folder) == later(demo_analysis)


def test_tracks_with_other_numbers_are_known_by_time_and_box(demo_analysis):
    other = with_other_tracks(demo_analysis)
    assert not are_same_tracks(other, demo_analysis)
    found = matched_tracks(other, demo_analysis, demo_analysis.faces)
    assert found == {t.id + 100: t.id for t in demo_analysis.tracks}
    away = with_other_tracks(demo_analysis, shift=2.0)
    assert matched_tracks(away, demo_analysis, demo_analysis.faces) == {}


def test_other_tracks_get_the_same_names_and_groups(folder, demo_analysis):
    before = edited(folder)
    kept = save_again(with_other_tracks(demo_analysis), folder)
    after = Analysis.load(folder)
    assert kept.problems == []

    def groups(analysis, by):
        found = {}
        for t in analysis.tracks:
            if t.person:
                found.setdefault(t.person, set()).add(t.id - by)
        names = {p.id: p.name for p in analysis.people if editing.is_named(p)}
        return {frozenset(tracks): names.get(person) for person, tracks in found.items()}

    assert groups(after, 100) == groups(before, 0)
    assert {d.track - 100 for d in after.dropped if d.reason == "forgotten"} == {
        d.track for d in before.dropped if d.reason == "forgotten"
    }
    assert undo(folder)[0] == "name 8 Bo"


def test_what_no_longer_fits_is_said_and_the_rest_is_done(folder, demo_analysis):
    edit(folder, "name 2 Ada", lambda a: editing.named(a, 2, "Ada"))
    edit(folder, "name 3 Bo", lambda a: editing.named(a, 3, "Bo"))
    edit(folder, "merge 4 5", lambda a: editing.merged(a, 4, [5]))
    without = editing.forgotten(demo_analysis, [2, 5])
    without = replace(
        without,
        tracks=[t for t in without.tracks if t.person],
        dropped=[],
        next_person=0,
        splits=[],
        uncertain=[],
        faces=without.faces.filter(without.faces["person"].to_numpy() > 0),
    )
    kept = save_again(without, folder)
    assert kept.again == ["name 3 Bo"]
    assert kept.problems == [
        "'name 2 Ada' no longer fits: person 2, Ada, is not in the new result",
        "'merge 4 5' no longer fits: person 5 is not in the new result",
    ]
    assert Analysis.load(folder).person("Bo").id == 3
    assert [undo(folder)[0] for _ in range(2)] == ["name 3 Bo", RUN_AGAIN]
    assert Analysis.load(folder).person("Ada").id == 2


def test_a_name_and_a_group_that_were_changed_by_hand_are_kept(folder, demo_analysis):
    def by_hand(change):
        data = json.loads((folder / "timeline.json").read_text())
        change(data)
        (folder / "timeline.json").write_text(json.dumps(data))

    def change(data):
        data["people"][1]["name"] = "Ada"
        data["tracks"][0]["person"] = data["tracks"][-1]["person"]
        data["intervals"][0]["end_frame"] -= 5

    by_hand(change)
    before = Analysis.load(folder)
    kept = save_again(later(demo_analysis), folder)
    assert kept.problems == []
    after = Analysis.load(folder)
    assert [(p.id, p.name) for p in after.people] == [(p.id, p.name) for p in before.people]
    assert after.tracks == before.tracks
    assert after.intervals == before.intervals
    edit(folder, "name 3 Bo", lambda a: editing.named(a, 3, "Bo"))
    by_hand(lambda data: data["people"][3].update(name="Cy"))
    assert save_again(later(demo_analysis), folder).problems == []
    names = {p.id: p.name for p in Analysis.load(folder).people if editing.is_named(p)}
    assert names == {2: "Ada", 3: "Bo", 4: "Cy"}


def test_somebody_forgotten_for_good_stays_forgotten(folder, demo_analysis):
    mine = [demo_analysis.embeddings[t].tobytes() for t in tracks_of(demo_analysis, 2)]
    edit(folder, "forget 2", lambda a: editing.forgotten(a, [2]))
    History(folder).erase()
    for again in (later(demo_analysis), with_other_tracks(demo_analysis)):
        save_again(again, folder)
        everything = [p.read_bytes() for p in folder.rglob("*") if p.is_file()]
        assert not any(vector in data for vector in mine for data in everything)
        History(folder).erase()


def test_a_result_before_that_cannot_be_read_comes_back_by_undo(folder, demo_analysis):
    edit(folder, "name 2 Ada", lambda a: editing.named(a, 2, "Ada"))
    (folder / "faces.parquet").write_bytes(b"damaged")
    kept = save_again(later(demo_analysis), folder)
    assert "cannot be read" in kept.problems[0]
    assert Analysis.load(folder) == later(demo_analysis)
    assert History(folder).steps() == [RUN_AGAIN]
