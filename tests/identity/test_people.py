"""Edits of people: what they change, that they are complete, and that they can be undone."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from facetrack.cli.faces import COLUMNS, ROWS, draw_faces, inline_protocol
from facetrack.cli.people import (
    forget_people,
    list_people,
    merge_people,
    name_person,
    split_person,
)
from facetrack.core.errors import InputError, TargetError, UsageError
from facetrack.identity import editing
from facetrack.identity.folder import analysis_folder, edit, undo
from facetrack.identity.person_images import cut_thumbnails
from facetrack.timeline import Analysis
from facetrack.timeline.history import History
from made.command import facetrack as command
from made.command import one_line


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "sample")
    return tmp_path / "sample"


def ranges(analysis, person):
    return [(i.start_frame, i.end_frame) for i in analysis.intervals if i.person == person]


def ids(analysis):
    return [p.id for p in analysis.people]


def consistent(analysis):
    """Checks that people, intervals, faces and thumbnails agree; returns the analysis."""
    of_track = {t.id: t.person for t in analysis.tracks}
    faces = zip(*(analysis.faces[c].to_pylist() for c in ("track", "person")), strict=True)
    assert all(of_track[track] == person for track, person in faces)
    assert (
        set(of_track.values()) - {0} == set(ids(analysis)) == {i.person for i in analysis.intervals}
    )
    assert set(analysis.embeddings) <= {t for t, person in of_track.items() if person}
    assert [p.frames for p in analysis.people] == sorted(p.frames for p in analysis.people)[::-1]
    for p in analysis.people:
        mine = [i for i in analysis.intervals if i.person == p.id]
        assert p.frames == sum(i.end_frame - i.start_frame for i in mine)
        assert p.seconds == pytest.approx(sum(i.end_s - i.start_s for i in mine))
        assert (p.first_s, p.last_s) == (mine[0].start_s, mine[-1].end_s)
        assert (p.thumbnail is not None) == (p.id in analysis.thumbnails)
    return analysis


def tracks_of(analysis, person):
    return [t.id for t in analysis.tracks if t.person == person]


def test_people_who_keep_their_numbers_are_the_same_as_after_the_run(demo_analysis):
    again = editing.renumbered(demo_analysis, {})
    assert again.people == demo_analysis.people
    assert again.intervals == demo_analysis.intervals
    assert again.faces.equals(demo_analysis.faces)


def test_merged_people_are_one_under_the_first_number(demo_analysis):
    named = editing.named(demo_analysis, 3, "Ada")
    both = consistent(editing.merged(named, 2, [3]))
    assert ids(both) == [1, 2, 4, 5, 6, 7]
    first, other = ranges(demo_analysis, 2), ranges(demo_analysis, 3)
    assert ranges(both, 2) == [(first[0][0], other[0][1]), first[1]]  # one follows on the other
    assert both.people[1].name == "Ada"
    assert both.thumbnails[2] in (demo_analysis.thumbnails[2], demo_analysis.thumbnails[3])


def test_split_tracks_are_a_new_person_and_merging_them_again_gives_what_was(demo_analysis):
    one, two = tracks_of(demo_analysis, 1)
    parts = consistent(editing.split(demo_analysis, 1, [two]))
    assert ids(parts)[:3] == [1, 2, 8]
    assert [ranges(parts, 1), ranges(parts, 8)] == [[s] for s in ranges(demo_analysis, 1)]
    assert not {1, 8} & set(parts.thumbnails)  # it is not known which of them the old one shows
    with_faces = consistent(cut_thumbnails(parts, [1, 8]))
    for number, track in ((1, one), (8, two)):
        image = Image.open(io.BytesIO(with_faces.thumbnails[number]))
        assert image.size == (160, 160), track
    again = editing.merged(with_faces, 1, [8])
    assert again.intervals == demo_analysis.intervals
    assert again.tracks == demo_analysis.tracks
    assert editing.new_number(again) == 9  # 8 was somebody


def test_a_number_is_not_given_twice(demo_analysis):
    gone = editing.forgotten(demo_analysis, [7])
    parts = editing.split(gone, 1, tracks_of(gone, 1)[:1])
    assert 8 in ids(parts)
    assert 7 not in ids(parts)


def test_a_forgotten_person_leaves_only_that_there_was_a_track(demo_analysis):
    mine = tracks_of(demo_analysis, 2)
    gone = consistent(editing.forgotten(demo_analysis, [2]))
    assert ids(gone) == [1, 3, 4, 5, 6, 7]
    assert not set(mine) & set(gone.faces["track"].to_pylist())
    assert not set(mine) & set(gone.embeddings)
    assert 2 not in gone.thumbnails
    dropped = {d.track: d for d in gone.dropped if d.reason == "forgotten"}
    assert sorted(dropped) == mine
    summary = next(t for t in gone.tracks if t.id == mine[0])
    assert (dropped[mine[0]].first_frame, summary.person) == (summary.first_frame, 0)


def test_an_interval_that_was_edited_by_hand_stays_as_it_is(demo_analysis):
    data = demo_analysis.to_dict()
    short = next(i for i in demo_analysis.intervals if i.person == 1)
    edited = [i if i != short else type(i)(1, 0, 50, 0.0, 2.0) for i in demo_analysis.intervals]
    by_hand = replace(demo_analysis, intervals=edited)
    assert ranges(editing.merged(by_hand, 2, [3]), 1)[0] == (0, 50)
    first = tracks_of(by_hand, 1)[0]
    assert ranges(editing.split(by_hand, 1, [first]), 8) == [(0, 50)]
    assert demo_analysis.to_dict() == data


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda a: editing.named(a, 9, "Ada"), TargetError, "person 9 is not in this video"),
        (lambda a: editing.named(a, 1, " "), UsageError, "1 to 80 characters"),
        (lambda a: editing.named(a, 1, "a\nb"), UsageError, "on one line"),
        (lambda a: editing.named(a, 1, "7"), UsageError, "something else"),
        (lambda a: editing.named(a, 1, "Person 2"), UsageError, "something else"),
        (lambda a: editing.named(a, 1, "all"), UsageError, "something else"),
        (lambda a: editing.named(a, 1, "Ada, Bo"), UsageError, "several people"),
        (lambda a: editing.named(a, 1, "ada.jpg"), UsageError, "a photo"),
        (lambda a: editing.named(editing.named(a, 1, "Ada"), 2, "ada"), UsageError, "merge"),
        (lambda a: editing.merged(a, 1, [1]), UsageError, "two different people"),
        (lambda a: editing.merged(a, 1, [2, 9]), TargetError, "person 9"),
        (lambda a: editing.split(a, 1, [3]), UsageError, "track 3 is not of person 1"),
        (lambda a: editing.split(a, 3, [3]), UsageError, "leave at least one"),
        (lambda a: editing.forgotten(a, [1, 9]), TargetError, "person 9"),
    ],
)
def test_an_impossible_edit_is_an_error(demo_analysis, change, error, words):
    with pytest.raises(error, match=words):
        change(demo_analysis)


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and ".history" not in p.parts and "report.html" not in p.name
    }


def test_each_edit_is_undone_to_the_byte(folder):
    report = folder / "report.html"
    report.write_text("shows who is about to be forgotten")
    states = [contents(folder)]
    for what, change in (
        ("name", lambda a: editing.named(a, 2, "Ada")),
        ("merge", lambda a: editing.merged(a, 2, [3])),
        ("split", lambda a: cut_thumbnails(editing.split(a, 1, tracks_of(a, 1)[:1]), [1, 8])),
        ("forget", lambda a: editing.forgotten(a, [2])),
    ):
        consistent(edit(folder, what, change))
        states.append(contents(folder))
        assert Analysis.load(folder).to_dict() == json.loads(states[-1]["timeline.json"])
    assert not report.exists() or "about to be" not in report.read_text()
    assert "people/person_02.jpg" not in states[-1]
    assert History(folder).steps() == ["name", "merge", "split", "forget"]
    for what in ("forget", "split", "merge", "name"):
        assert contents(folder) == states.pop()
        assert undo(folder)[0] == what
    assert contents(folder) == states.pop()
    with pytest.raises(UsageError, match="nothing to undo"):
        undo(folder)


def test_what_was_done_after_an_edit_is_not_undone_with_it(folder, demo_analysis):
    edit(folder, "name 2 Ada", lambda a: editing.named(a, 2, "Ada"))
    path = folder / "timeline.json"
    path.write_text(path.read_text().replace("Ada", "Eve"))
    with pytest.raises(UsageError, match="changed after 'name 2 Ada', by hand or"):
        undo(folder)
    demo_analysis.save(folder)  # a new analysis
    assert History(folder).steps() == []


def test_an_edit_that_fails_leaves_everything_as_it_was(folder):
    edit(folder, "name", lambda a: editing.named(a, 2, "Ada"))
    before = contents(folder)
    with pytest.raises(UsageError):
        edit(folder, "name", lambda a: editing.named(a, 3, "Ada"))
    assert contents(folder) == before
    assert sorted(os.listdir(folder / ".history")) == ["0001", "lock"]
    assert (folder / ".history").stat().st_mode & 0o777 == 0o700


def test_simultaneous_edits_are_all_done(folder):
    def name(person):
        edit(folder, f"name {person}", lambda a: editing.named(a, person, f"Ada {person} x"))

    threads = [threading.Thread(target=name, args=(person,)) for person in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.name for p in Analysis.load(folder).people[:4]] == [
        f"Ada {n} x" for n in (1, 2, 3, 4)
    ]
    assert len(History(folder).steps()) == 4


def test_a_reader_during_edits_sees_one_state(folder):
    """It never sees the numbers of one state with the faces or thumbnails of another."""
    states = [Analysis.load(folder)]
    states.append(edit(folder, "merge", lambda a: editing.merged(a, 1, [2])))
    done = threading.Event()

    def change_to_and_fro():
        for _ in range(15):
            undo(folder)
            edit(folder, "merge", lambda a: editing.merged(a, 1, [2]))
        done.set()

    editor = threading.Thread(target=change_to_and_fro)
    editor.start()
    seen = 0
    while not done.is_set():
        assert Analysis.load(folder) in states
        seen += 1
    editor.join()
    assert seen > 5


def test_files_are_copied_where_hard_links_are_not_possible(folder, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    before = contents(folder)
    monkeypatch.setattr(os, "link", refuse)
    edit(folder, "merge", lambda a: editing.merged(a, 1, [2]))
    undo(folder)
    assert contents(folder) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each moment is tried in a fork")
@pytest.mark.parametrize("kind", ["merge", "undo"])
def test_killed_at_any_moment_all_or_nothing_is_done(folder, tmp_path, kind):
    before = contents(folder)
    after = contents_after(folder, lambda a: editing.merged(a, 1, [2]))
    (tmp_path / "killed").mkdir()
    if kind == "undo":
        before, after = after, before
    else:
        undo(folder)
    script = Path(__file__).with_name("killed_edit.py")
    command = [sys.executable, script, folder, tmp_path / "killed", kind]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    copies = sorted((tmp_path / "killed").iterdir())
    states = []
    for copy in copies:
        Analysis.load(copy)
        states.append(contents(copy))
        assert states[-1] in (before, after)
    decided = states.index(after)
    assert states == [before] * decided + [after] * (len(states) - decided)
    assert 5 < decided < len(states) - 5 or kind == "undo"
    left = 1 if kind == "merge" else 0
    assert len(History(copies[decided]).steps()) == left
    edit(copies[0], "name", lambda a: editing.named(a, 5, "Ada"))  # what was left is in no way
    if kind == "merge":
        for copy in copies[decided:]:
            undo(copy)
            assert contents(copy) == before


def contents_after(folder, change):
    edit(folder, "change", change)
    return contents(folder)


def test_forgotten_for_good_is_nowhere_in_the_folder(folder, demo_analysis, capsys):
    image = demo_analysis.thumbnails[2]
    embeddings = [demo_analysis.embeddings[t].tobytes() for t in tracks_of(demo_analysis, 2)]
    name_person(folder, 2, "Ada Byron")
    forget_people(folder, [2], for_good=False)
    said = capsys.readouterr().out
    assert "111 faces, 2 embeddings, 1 thumbnail" in said
    assert "to erase it: facetrack people forget" in said
    everything = [p.read_bytes() for p in folder.rglob("*") if p.is_file()]
    assert image in everything  # what undo needs
    forget_people(folder, None, for_good=True)
    assert "erased for good: what undoing 2 edits" in capsys.readouterr().out
    everything = [p.read_bytes() for p in folder.rglob("*") if p.is_file()]
    assert image not in everything
    assert not any(base64.b64encode(image) in data for data in everything)
    assert not any(vector in data for vector in embeddings for data in everything)
    assert not any(b"Ada Byron" in data for data in everything)
    with pytest.raises(UsageError, match="nothing to undo"):
        undo(folder)


def test_the_list_as_text_and_as_json(folder, capsys):
    name_person(folder, 2, "Ada")
    capsys.readouterr()
    done = command("people", folder.parent)  # holds this one alone
    assert "2 Ada" in done.stdout
    assert "5.00-7.40, 13.36-15.40" in done.stdout
    assert "\x1b" not in done.stdout
    assert "▀" not in done.stdout
    list_people(folder, json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [p["id"] for p in listed["people"]] == [1, 2, 3, 4, 5, 6, 7]
    assert (listed["people"][1]["name"], listed["edits"]) == ("Ada", ["name 2 Ada"])


def test_faces_are_drawn_in_a_terminal_with_colour(folder, demo_analysis):
    """Through a terminal of the system's: the cells have the colours of the thumbnail."""
    pytest.importorskip("pty", reason="a terminal is POSIX's")
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("TERM_PROGRAM", "KITTY_WINDOW_ID", "NO_COLOR"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "facetrack", "people", str(folder)]
    process = subprocess.Popen(command, stdout=slave, env={**environment, "COLUMNS": "80"})
    os.close(slave)
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:  # the other side is closed
            break
    assert process.wait() == 0
    os.close(master)
    cells = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", shown.decode())
    assert len(cells) == 7 * COLUMNS * ROWS
    first = Image.open(io.BytesIO(demo_analysis.thumbnails[1])).convert("RGB")
    wanted = first.resize((COLUMNS, 2 * ROWS), Image.Resampling.LANCZOS)
    assert tuple(map(int, cells[0])) == wanted.getpixel((0, 0)) + wanted.getpixel((0, 1))


def drawn(demo_analysis, monkeypatch, **environment):
    for name in ("TMUX", "STY", "TERM_PROGRAM", "KITTY_WINDOW_ID", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=80)
    draw_faces(console, [("1 Ada", demo_analysis.thumbnails[1]), ("2", None)])
    return out.getvalue()


def test_kitty_gets_the_image_itself(demo_analysis, monkeypatch):
    shown = drawn(demo_analysis, monkeypatch, TERM="xterm-kitty")
    parts = re.findall(r"\x1b_G(?:a=T,f=100,[^;]*,)?m=([01]);([^\x1b]*)\x1b\\", shown)
    assert [more for more, _ in parts] == ["1"] * (len(parts) - 1) + ["0"]
    assert all(len(data) <= 4096 for _, data in parts)
    image = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in parts))))
    wanted = Image.open(io.BytesIO(demo_analysis.thumbnails[1]))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(wanted))
    assert "1 Ada" in shown
    assert "▀" not in shown


def test_iterm_gets_the_jpeg(demo_analysis, monkeypatch):
    shown = drawn(demo_analysis, monkeypatch, TERM_PROGRAM="iTerm.app", TERM="xterm-256color")
    (data,) = re.findall(r"\x1b\]1337;File=inline=1;[^:]*:([^\a]*)\a", shown)
    assert base64.b64decode(data) == demo_analysis.thumbnails[1]


def test_inside_tmux_blocks_are_drawn(demo_analysis, monkeypatch):
    shown = drawn(demo_analysis, monkeypatch, TERM="tmux-256color", KITTY_WINDOW_ID="1", TMUX="x")
    assert "▀" in shown
    assert inline_protocol(Console(file=io.StringIO()), {"TERM": "xterm-kitty"}) is None


def test_the_folder_of_the_only_analysis_is_found(folder, demo_analysis, tmp_path):
    assert analysis_folder(folder) == folder == analysis_folder(folder.parent)
    demo_analysis.save(tmp_path / "other")
    with pytest.raises(UsageError, match=r"holds 2 analyses \(other, sample\)"):
        analysis_folder(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no analysis"):
        analysis_folder(tmp_path / "none")


def test_merging_people_who_share_frames_is_warned_of(folder, capsys):
    merge_people(folder, 3, [4])
    said = one_line(capsys.readouterr().err)
    assert "3 and 4 are on screen at the same time, 7.40-10.40 s" in said


def test_a_split_has_no_thumbnails_when_the_video_is_gone(folder, demo_analysis, capsys, tmp_path):
    info = replace(demo_analysis.info, path=tmp_path / "gone.mp4")
    replace(demo_analysis, info=info).save(folder)
    split_person(folder, 1, tracks_of(demo_analysis, 1)[:1])
    assert "no new thumbnails of 1, 8: " in one_line(capsys.readouterr().err)
    parts = Analysis.load(folder)
    assert {p.id: p.thumbnail for p in parts.people if p.id in (1, 8)} == {1: None, 8: None}
    assert not (folder / "people" / "person_01.jpg").exists()


def test_clips_that_show_a_forgotten_person_are_named(folder, capsys):
    (folder / "clips" / "person_02").mkdir(parents=True)
    (folder / "clips" / "person_02" / "person_02_0001.mp4").touch()
    forget_people(folder, [2])
    assert "1 other clip in" in capsys.readouterr().out
