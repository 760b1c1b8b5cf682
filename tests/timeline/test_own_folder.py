"""Each video has a folder of its own, and finds it again."""

import errno
import os
import shutil
import sys
from dataclasses import replace

import pytest

from facetrack.core.errors import InputError
from facetrack.core.folder_lock import locked
from facetrack.media.fingerprint import changed_since, fingerprint
from facetrack.timeline import Analysis
from facetrack.timeline.own_folder import claimed, own_folder
from facetrack.timeline.video_place import located
from made.command import facetrack as command
from made.media import make_video


@pytest.fixture
def films(tmp_path):
    """Two films of one name."""
    for number in (1, 2):
        (tmp_path / f"d{number}").mkdir()
        make_video(tmp_path / f"d{number}" / "clip.mp4", frames=10 + number)
    return tmp_path / "d1" / "clip.mp4", tmp_path / "d2" / "clip.mp4"


def saved(analysis, video, folder):
    info = replace(analysis.info, path=video, fingerprint=fingerprint(video))
    replace(analysis, info=info).save(folder)


def test_two_films_of_one_name_have_two_folders_in_any_order(films, tmp_path):
    out = tmp_path / "same"
    for first, second in (films, films[::-1], films):
        done = command("analyze", first, second, "-o", out, "-q")
        assert done.returncode == 0, done.stderr
        assert Analysis.load(out / "clip").info.path == films[0]
        assert Analysis.load(out / "clip-2").info.path == films[1]
    assert sorted(p.name for p in out.iterdir()) == [".facetrack", "clip", "clip-2"]
    done = command("analyze", films[0], films[0], "-o", out)
    assert done.returncode == 2
    assert "is given twice" in done.stderr


def test_the_second_is_told_where_it_goes_and_why(films, demo_analysis, tmp_path):
    out = tmp_path / "out"
    assert own_folder(films[0], out).why is None
    saved(demo_analysis, films[0], out / "clip")
    found = own_folder(films[1], out)
    assert found.path == out / "clip-2"
    assert found.why == f"{films[1]} goes to {found.path}: {out / 'clip'} belongs to {films[0]}"
    assert (
        own_folder(films[1], tmp_path / "none", [tmp_path / "none" / "clip"]).path.name == "clip-2"
    )


def test_a_film_that_was_moved_has_its_folder_and_a_copy_another(films, demo_analysis, tmp_path):
    out, moved = tmp_path / "out", tmp_path / "clip.mp4"
    saved(demo_analysis, films[0], out / "clip")
    shutil.copyfile(films[0], moved)
    assert own_folder(moved, out).path == out / "clip-2"
    films[0].unlink()
    assert own_folder(moved, out).path == out / "clip"
    assert "was moved from" in own_folder(moved, out).why


@pytest.mark.parametrize("kind", ["file", "other folder", "dangling link", "fifo", "damaged"])
def test_what_is_not_ours_is_not_written_to(films, tmp_path, kind):
    place, canary = tmp_path / "out" / "clip", tmp_path / "canary"
    place.parent.mkdir()
    match kind:
        case "file":
            place.write_text("mine")
        case "other folder":
            place.mkdir()
            (place / "mine.txt").write_text("mine")
        case "dangling link":
            place.symlink_to(canary)
        case "fifo":
            if sys.platform == "win32":
                pytest.skip("there are no FIFOs")
            os.mkfifo(place)
        case "damaged":
            place.mkdir()
            (place / "timeline.json").write_text("{")
    with claimed(films[0], place.parent) as own:
        assert own.path == tmp_path / "out" / "clip-2"
        assert own.why.endswith(f"{place} is there and is no folder of facetrack")
    assert not canary.exists()


def test_a_folder_that_was_made_for_a_run_that_failed_is_gone(films, tmp_path):
    with pytest.raises(InputError), claimed(films[0], tmp_path / "out") as own:
        assert own.path.is_dir()
        raise InputError("no")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("moved", [0, 1, 4])
def test_a_first_result_that_is_half_in_its_place_is_found(
    films, demo_analysis, tmp_path, monkeypatch, moved
):
    """The disk failed in the middle of the switch; the process let the lock go in order."""
    replaces = os.replace
    left = [moved]

    def fails(source, target):
        if ".history/renewed/new" in str(source):
            if not left[0]:
                raise OSError(errno.EIO, "Input/output error")
            left[0] -= 1
        replaces(source, target)

    out = tmp_path / "out"
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="Input/output"):
            saved(demo_analysis, films[0], out / "clip")
    assert not (out / "clip" / "timeline.json").exists()
    assert own_folder(films[0], out).path == out / "clip"
    assert own_folder(films[1], out).path == out / "clip-2"
    assert Analysis.load(out / "clip").info.path == films[0]


def test_a_folder_in_use_for_another_film_of_the_name_is_left_alone(films, tmp_path):
    out = tmp_path / "out"
    with claimed(films[0], out) as first, claimed(films[1], out) as second:
        assert (first.path.name, second.path.name) == ("clip", "clip-2")
    (out / "clip").mkdir(exist_ok=True)
    with locked(out / "clip", video=films[0]):
        assert own_folder(films[0], out).path == out / "clip"


def test_film_and_folder_that_are_moved_together_are_found(films, demo_analysis, tmp_path):
    project = tmp_path / "project"
    film = project / "films" / "day1" / "clip.mp4"
    film.parent.mkdir(parents=True)
    shutil.copyfile(films[0], film)
    saved(demo_analysis, film, project / "out" / "clip")
    project.rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere"
    assert Analysis.load(moved / "out" / "clip").info.path == moved / "films" / "day1" / "clip.mp4"
    beside = moved / "out" / "clip.mp4"
    (moved / "films" / "day1" / "clip.mp4").rename(beside)
    assert Analysis.load(moved / "out" / "clip").info.path == beside
    shutil.copyfile(films[1], beside)  # another film of the name
    analysis = Analysis.load(moved / "out" / "clip")
    assert analysis.info.path == film
    assert not changed_since(analysis.info)
    info = located(analysis.info, moved / "out" / "clip", films[0])
    assert info.path == films[0]
    with pytest.raises(InputError, match="is not the video that was analysed"):
        Analysis.load(moved / "out" / "clip", films[1])


def test_every_part_of_a_small_file_and_both_ends_of_a_large_one_count(tmp_path):
    for size in (0, 1, 1000, 400_000):
        data = bytearray(os.urandom(size))
        path = tmp_path / "film.mp4"
        path.write_bytes(data)
        before = fingerprint(path)
        assert before.startswith(f"{size}-")
        for at in (0, size - 1) if size else ():
            data[at] ^= 1
            path.write_bytes(data)
            assert fingerprint(path) != before
            data[at] ^= 1
    assert fingerprint(tmp_path) is None
    assert fingerprint(tmp_path / "none") is None
