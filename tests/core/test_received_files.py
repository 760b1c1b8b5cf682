"""Names that a received folder carries: regular files below it are read, all others are refused."""

import os
import socket
from pathlib import Path

import pytest

from facetrack.core.errors import InputError
from facetrack.core.received_files import (
    check_file,
    check_folder,
    check_tree,
    file_below,
    is_below,
    json_of,
    read_below,
    read_given,
    remove_below,
)

SECRET = b"not for this folder"
OUTSIDE = [
    "", ".", "..", "/", "./a", "a/", "a//b", "../secret", "in/../../secret", "in/..", "/etc/passwd",
    "//host/share/a", "C:\\x", "C:x", "c:/x", "\\\\host\\share\\a", "..\\secret", "in\\..\\secret",
    "a:stream", "a\0b", "a\nb", "a\x1b[2Jb", "a\x7fb", "...", ".. ", " ..", "in/ ", "in/... /a",
]  # fmt: skip
BELOW = [
    "a",
    "in/a",
    ".hidden",
    "..a",
    "a..",
    "Ada Lovelace.jpg",
    "\u540d.jpg",
    "\uff0e\uff0e",
    "a" * 200,
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(SECRET)
    (tmp_path / "folder" / "in").mkdir(parents=True)
    (tmp_path / "folder" / "in" / "file").write_bytes(b"ours")
    return tmp_path / "folder"


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_elsewhere_is_refused_everywhere(folder, name):
    assert not is_below(name)
    assert file_below(folder, name) is None
    for use in (check_file, check_folder, remove_below, lambda f, n: read_below(f, n, 99)):
        with pytest.raises(InputError, match="only files inside the folder"):
            use(folder, name)
    assert (folder.parent / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("name", BELOW)
def test_other_names_are_those_of_files(folder, name):
    assert is_below(name)
    assert check_file(folder, name) is None
    remove_below(folder, name)
    with pytest.raises(FileNotFoundError):
        read_below(folder, name, 99)


def test_a_file_below_is_read_and_removed(folder):
    assert read_below(folder, "in/file", 4) == b"ours"
    found = file_below(folder, "in/file")
    assert found is not None
    assert found.st_size == 4
    remove_below(folder, "in/file")
    assert not (folder / "in" / "file").exists()


def make_link(place, folder):
    place.symlink_to(folder.parent / "secret")


def make_dangling(place, folder):
    place.symlink_to(folder.parent / "nothing")


def make_fifo(place, folder):
    os.mkfifo(place)


def make_device(place, folder):
    place.symlink_to("/dev/zero")


def make_folder(place, folder):
    place.mkdir()


def make_socket(place, folder):
    here = os.getcwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(place.name)
    finally:
        os.chdir(here)


KINDS = {
    "a link": make_link, "a link to nothing": make_dangling, "a FIFO": make_fifo,
    "a link to a device": make_device, "a folder": make_folder, "a socket": make_socket,
}  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="these kinds of files are POSIX's")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_not_opened(folder, kind):
    KINDS[kind](folder / "bad", folder)
    assert file_below(folder, "bad") is None
    with pytest.raises(InputError, match=f"'bad' is {kind.split(' to ')[0]}"):
        read_below(folder, "bad", 99)


@pytest.mark.skipif(os.name != "posix", reason="these kinds of files are POSIX's")
@pytest.mark.parametrize("kind", KINDS)
def test_only_a_name_is_removed_and_never_what_it_leads_to(folder, kind):
    KINDS[kind](folder / "bad", folder)
    if kind == "a folder":
        with pytest.raises(InputError, match="is a folder"):
            remove_below(folder, "bad")
    else:
        remove_below(folder, "bad")
        assert not os.path.lexists(folder / "bad")
    assert (folder.parent / "secret").read_bytes() == SECRET


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_no_part_of_a_path_may_be_a_link(folder):
    (folder / "in" / "away").symlink_to(folder.parent / "elsewhere")
    name = "in/away/secret"
    assert (folder / name).read_bytes() == SECRET
    assert file_below(folder, name) is None
    for use in (check_file, check_folder, remove_below, lambda f, n: read_below(f, n, 99)):
        with pytest.raises(InputError, match=r"in/away.* which is a link"):
            use(folder, name)
    with pytest.raises(InputError, match="'in/away' is a link"):
        check_tree(folder, "in")
    assert (folder.parent / "elsewhere" / "secret").read_bytes() == SECRET


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_the_folder_itself_may_be_reached_by_a_link(folder):
    """The user gave its path."""
    (folder.parent / "mine").symlink_to(folder)
    assert read_below(folder.parent / "mine", "in/file", 4) == b"ours"
    check_tree(folder.parent / "mine", "in")


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_where_folders_have_no_descriptors_the_same_is_refused(folder, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr("facetrack.core.received_files.HAS_DIR_FD", False)
    assert read_below(folder, "in/file", 4) == b"ours"
    test_no_part_of_a_path_may_be_a_link(folder)
    make_link(folder / "bad", folder)
    with pytest.raises(InputError, match="'bad' is a link"):
        read_below(folder, "bad", 99)
    remove_below(folder, "in/file")
    assert not (folder / "in" / "file").exists()


def test_no_more_is_read_than_is_allowed(folder):
    with pytest.raises(InputError, match="has 4 bytes; 3 are allowed"):
        read_below(folder, "in/file", 3)
    with pytest.raises(InputError, match="3 are allowed"):
        read_given(folder / "in" / "file", 3)
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match="1,099,511,627,776 bytes"):
        read_below(folder, "sparse", 1 << 30)


@pytest.mark.skipif(os.name != "posix", reason="these kinds of files are POSIX's")
def test_a_path_of_the_user_may_be_a_link_but_must_be_a_file(folder):
    (folder / "link").symlink_to(folder / "in" / "file")
    assert read_given(folder / "link", 4) == b"ours"
    os.mkfifo(folder / "fifo")
    for path in (folder / "fifo", folder, Path("/dev/zero")):
        with pytest.raises(InputError, match="a file is needed"):
            read_given(path, 99)


def test_files_of_the_system_that_say_they_are_empty_are_bounded_too():
    """Files of ``/proc`` have 0 bytes until they are read."""
    if not os.path.exists("/proc/kallsyms"):
        pytest.skip("this system has no /proc")
    with pytest.raises(InputError, match="1,000 are allowed"):
        read_given(Path("/proc/kallsyms"), 1000)


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"", b"1" * 5000])
def test_json_that_cannot_be_read_is_a_value_error(text):
    with pytest.raises(ValueError):
        json_of(text)
