"""The gallery's file: what is stored, how it is protected, what damages it; and runs with it."""

import json
import os
import sqlite3

import numpy as np
import pytest

from facetrack.cli.commands import analyze
from facetrack.cli.gallery_view import (
    enrol,
    existing,
    export,
    named_people,
    remove,
    show,
    with_names,
)
from facetrack.cli.options import filled_in
from facetrack.core.errors import InputError, OutputError, TargetError, UsageError
from facetrack.core.limits import limited
from facetrack.core.settings import IdentitySettings, LimitSettings
from facetrack.identity import gallery as gallery_module
from facetrack.identity.gallery import Gallery, GalleryFace, default_gallery, delete_gallery
from facetrack.recognition.calibration import Evidence
from made.command import facetrack as command
from made.command import one_line

SFACE = IdentitySettings()
GOOD = Evidence.of_faces(np.array([150.0]), np.array([1.0]), np.array([0.9]))


def face(name, seed=0, recognizer="sface", dim=128):
    vector = np.random.default_rng(seed).normal(size=dim).astype(np.float32)
    vector /= np.linalg.norm(vector)
    return GalleryFace(name, recognizer, f"{seed}.jpg", "2026-11-25", vector, GOOD)


@pytest.fixture
def gallery(tmp_path):
    return tmp_path / "data" / "gallery.sqlite"


@pytest.fixture
def lax_umask():
    """With it, everybody may read files that are made without explicit permissions."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.mark.skipif(os.name != "posix", reason="owners and others are POSIX's")
def test_nobody_else_can_read_it_at_any_moment(gallery, lax_umask, tmp_path):
    with Gallery(gallery, make=True) as opened:
        assert (mode(gallery.parent), mode(gallery)) == (0o700, 0o600)
        opened.add([face("Ada")])
        other = sqlite3.connect(gallery, isolation_level=None)
        for journal, beside in (("DELETE", "-journal"), ("WAL", "-wal"), ("WAL", "-shm")):
            other.execute(f"PRAGMA journal_mode = {journal}")
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE faces SET photo = 'b.jpg'")
            written = gallery.with_name(gallery.name + beside)
            other.execute("PRAGMA cache_spill = 1")
            assert mode(written) == 0o600, beside
            other.execute("ROLLBACK")
        other.execute("PRAGMA journal_mode = DELETE")
        other.close()
    (tmp_path / "all.json").touch(0o666)
    assert export(gallery, tmp_path / "all.json", None) == 0
    assert mode(tmp_path / "all.json") == 0o600


def test_removed_data_are_overwritten(gallery):
    ada, bo = face("Ada", 1), face("Bo", 2)
    with Gallery(gallery, make=True) as opened:
        opened.add([ada, bo, face("ADA", 3)])
        assert [f.name for f in opened.faces()] == ["Ada", "Ada", "Bo"]
        assert ada.embedding.tobytes() in gallery.read_bytes()
        assert opened.remove("ada") == 2
        with pytest.raises(TargetError, match="Ada is not in the gallery; it holds: Bo"):
            opened.faces("Ada")
    data = gallery.read_bytes()
    assert ada.embedding.tobytes() not in data
    assert bo.embedding.tobytes() in data


def test_everything_that_is_stored_is_exported(gallery, tmp_path):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada", 1), face("Bo", 2)])
    export(gallery, tmp_path / "ada.json", "ada")
    (person,) = json.loads((tmp_path / "ada.json").read_text())["people"]
    assert person["name"] == "Ada"
    (held,) = person["faces"]
    assert (held["photo"], held["recognizer"], held["added"]) == ("1.jpg", "sface", "2026-11-25")
    np.testing.assert_allclose(held["embedding"], face("Ada", 1).embedding, atol=1e-6)
    assert held["evidence"] == GOOD.to_dict()


def test_recognisers_are_not_compared(gallery):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada", 1), face("Bo", 2, "vggface2", 512), face("Ada", 3)])
        (ada,) = opened.of_recognizer("sface", 128).items()
        assert (ada[0], ada[1].vectors.shape) == ("Ada", (2, 128))
        assert ada[1].evidence.to_dict() == GOOD.to_dict()
        assert list(opened.of_recognizer("vggface2", 512)) == ["Bo"]


def older_gallery(path, *rows):
    """A file as 0.1 wrote it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as base:
        base.execute(
            "CREATE TABLE faces (name TEXT NOT NULL, recognizer TEXT NOT NULL, "
            "photo TEXT NOT NULL, added TEXT NOT NULL, embedding BLOB NOT NULL)"
        )
        base.execute("PRAGMA application_id = 1179928369")
        base.executemany("INSERT INTO faces VALUES (?, ?, ?, ?, ?)", rows)
    base.close()


def test_a_gallery_of_an_older_version_goes_on(gallery):
    old = face("Ada", 1, dim=512)
    older_gallery(gallery, ("Ada", "casia", "a.jpg", "2026-11-25", old.embedding.tobytes()))
    with Gallery(gallery) as opened:
        (ada,) = opened.of_recognizer("facenet", 512).values()
        np.testing.assert_array_equal(ada.vectors[0], old.embedding)
        usual = Evidence.of_track(0, 0.0, 0.0, 0.0).to_dict()
        assert ada.evidence.to_dict() == usual
        opened.add([face("ada", 2, "facenet", 512)])
        both = opened.of_recognizer("facenet", 512)["Ada"].evidence
        assert [both.pick(np.array([i])).to_dict() for i in (0, 1)] == [usual, GOOD.to_dict()]
    with Gallery(gallery) as opened:
        assert [f.recognizer for f in opened.faces()] == ["facenet", "facenet"]


ONE = np.full(128, 128**-0.5, "<f4")


@pytest.mark.parametrize(
    "vector",
    [
        ONE[:100].tobytes(),
        ONE.tobytes()[:-1],
        np.full(128, np.nan, "<f4").tobytes(),
        np.full(128, 1e30, "<f4").tobytes(),
        b"",
    ],
)
def test_an_entry_that_is_no_embedding_is_named_and_can_be_removed(gallery, vector, tmp_path):
    older_gallery(gallery, ("Ada", "sface", "a.jpg", "2026-11-25", vector))
    with Gallery(gallery) as opened:
        with pytest.raises(InputError, match=r"Ada by a\.jpg is no embedding of sface") as raised:
            opened.of_recognizer("sface", 128)
        one_line(str(raised.value))
        assert export(gallery, tmp_path / "all.json", None) == 0
        assert opened.remove("Ada") == 1


@pytest.mark.parametrize("row", [(b"Ada", "sface"), ("Ada", 3)])
def test_a_row_of_other_types_is_an_error(gallery, row):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Bo")])
    with sqlite3.connect(gallery) as base:
        base.execute("CREATE TABLE others AS SELECT * FROM faces")
        base.execute("DROP TABLE faces")
        base.execute("ALTER TABLE others RENAME TO faces")
        values = (*row, "a.jpg", "2026-11-25", ONE.tobytes(), None)
        base.execute("INSERT INTO faces VALUES (?, ?, ?, ?, ?, ?)", [
            sqlite3.Binary(v) if isinstance(v, bytes) else v for v in values
        ])  # fmt: skip
    base.close()
    with Gallery(gallery) as opened:
        if isinstance(row[0], bytes):
            with pytest.raises(InputError, match="is no gallery that can be read"):
                opened.faces()
        else:  # a text column turns a number into text
            assert len(opened.of_recognizer("sface", 128)) == 1


def test_a_gallery_that_another_process_changes_is_in_use(gallery, monkeypatch):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada")])
    monkeypatch.setattr(gallery_module, "WAIT_S", 0.1)
    other = sqlite3.connect(gallery, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Gallery(gallery) as opened, pytest.raises(OutputError, match="in use by another"):
        opened.remove("Ada")
    other.execute("ROLLBACK")
    other.close()
    with Gallery(gallery) as opened:
        assert opened.remove("Ada") == 1


def test_bytes_and_rows_are_bounded(gallery, tmp_path):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada", seed) for seed in range(20)])
    size = gallery.stat().st_size
    with limited(LimitSettings(table_bytes=size - 1)), pytest.raises(InputError, match="its bytes"):
        Gallery(gallery)
    # A row of a few bytes takes a kilobyte in memory.
    small = limited(LimitSettings(table_bytes=size))
    too_much = pytest.raises(InputError, match="its faces' bytes")
    with small, Gallery(gallery) as opened, too_much:
        opened.faces()


@pytest.mark.parametrize("kind", ["VIRTUAL", "STORED"])
def test_columns_that_are_computed_are_refused(gallery, kind):
    """What they compute could take any time and memory."""
    Gallery(gallery, make=True).close()
    base = sqlite3.connect(gallery)
    base.execute("DROP TABLE faces")
    base.execute(
        "CREATE TABLE faces (name TEXT, recognizer TEXT, photo TEXT, added TEXT, embedding BLOB, "
        f"evidence TEXT GENERATED ALWAYS AS (hex(zeroblob(400000))) {kind})"
    )
    base.close()
    with pytest.raises(InputError, match="it is another database"):
        Gallery(gallery)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs are POSIX's")
def test_a_fifo_is_no_gallery(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for make in (True, False):
        with pytest.raises(InputError):
            Gallery(tmp_path / "fifo", make)
    given = ["--gallery", str(tmp_path / "fifo")]
    assert filled_in(given) == [f"--gallery={default_gallery()}", given[1]]


def commands_on(gallery, tmp_path):
    """Every command of ``facetrack gallery`` but ``delete``, and a run that names people."""
    yield lambda: show(gallery)
    yield lambda: export(gallery, tmp_path / "all.json", None)
    yield lambda: export(gallery, tmp_path / "all.json", "Ada")
    yield lambda: existing(gallery)
    yield lambda: named_people(gallery, SFACE)
    yield lambda: remove(gallery, "Ada")
    yield lambda: Gallery(gallery, make=True).add([face("Cy")])


PAGE = 4096


@pytest.mark.parametrize("damage", [
    lambda data: data[:PAGE + 100],  # cut off
    lambda data: data[:PAGE] + b"\xff" * PAGE + data[2 * PAGE :],  # the page of the rows
    lambda data: data[:100] + b"\xff" * 8 + data[108:],  # the page of the schema
    lambda data: data[:16] + b"\x00\x03" + data[18:],  # a size of pages that does not exist
    lambda data: data.replace(b"embedding BLOB", b"embedding(BLOB"),
    lambda data: data.replace(b"CREATE TABLE", b"CREATE \xff\xfeABLE"),
    lambda data: data.replace(b"name TEXT NOT", b"nome TEXT NOT"),
])  # fmt: skip
def test_a_damaged_gallery_is_one_line_for_every_command(gallery, damage, tmp_path):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada", seed) for seed in range(12)])
    good = gallery.read_bytes()
    damaged = damage(good)
    assert damaged != good
    said = set()
    for run in commands_on(gallery, tmp_path):
        gallery.write_bytes(damaged)
        try:
            run()
        except InputError as error:
            assert str(gallery) in one_line(str(error))
            said.add(str(error))
    assert said


@pytest.mark.parametrize("statement", [
    "CREATE TRIGGER t BEFORE DELETE ON faces BEGIN SELECT RAISE(FAIL, 'no'); END",
    "CREATE VIEW others AS SELECT 1", "CREATE TABLE others (a)",
])  # fmt: skip
def test_what_another_program_put_into_a_gallery_is_not_run(gallery, statement, tmp_path):
    """A view could also be a query that never ends."""
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada")])
    with sqlite3.connect(gallery) as base:
        base.execute(statement)
    base.close()
    for run in commands_on(gallery, tmp_path):
        with pytest.raises(InputError, match="it is another database"):
            run()


def test_a_huge_value_is_not_read(gallery):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada")])
    with sqlite3.connect(gallery) as base:
        base.execute("UPDATE faces SET embedding = zeroblob(200000000)")
    base.close()
    with Gallery(gallery) as opened, pytest.raises(InputError, match="too big"):
        opened.faces()


@pytest.mark.parametrize(
    "stored",
    [
        "no",
        "[" * 100_000,
        '{"faces": 1e999}',
        "[1]",
        '{"faces": "many"}',
        '{"faces": NaN}',
        '{"a": 1}',
    ],
)
def test_evidence_that_makes_no_sense_is_replaced_by_the_usual(gallery, stored):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada")])
    with sqlite3.connect(gallery) as base:
        base.execute("UPDATE faces SET evidence = ?", (stored,))
    base.close()
    with Gallery(gallery) as opened:
        ada = opened.of_recognizer("sface", 128)["Ada"]
    assert ada.evidence.to_dict() == Evidence.of_track(0, 0.0, 0.0, 0.0).to_dict()


@pytest.mark.parametrize("content", [b"hello", None, "sqlite"])
def test_a_file_that_is_no_gallery_is_an_error_and_stays(tmp_path, content):
    path = tmp_path / "some.sqlite"
    if content == "sqlite":
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE bills (amount)")
        other.close()
    elif content is not None:
        path.write_bytes(content)
    for make in (False, True) if content else (False,):
        with pytest.raises(InputError, match=r"some\.sqlite"):
            Gallery(path, make)
    with pytest.raises(InputError):
        existing(path)
    assert path.exists() == (content is not None)


def test_deleting_leaves_nothing(gallery):
    with Gallery(gallery, make=True) as opened:
        opened.add([face("Ada")])
    gallery.with_name(gallery.name + "-journal").touch()
    delete_gallery(gallery)
    assert list(gallery.parent.iterdir()) == []


def test_photos_are_enrolled_all_or_none(pyfeat_data, gallery, capsys):
    one, many = pyfeat_data / "single_face.jpg", pyfeat_data / "multi_face.jpg"
    with pytest.raises(TargetError, match="shows 5 faces"):
        enrol(gallery, "Max", [one, many], SFACE)
    with pytest.raises(UsageError, match="several people"):
        enrol(gallery, "Max, Bo", [one], SFACE)
    assert not gallery.exists()
    enrol(gallery, "Max", [one], SFACE)
    capsys.readouterr()
    enrol(gallery, "max", [pyfeat_data / "0-f15-hao-ph.jpg"], SFACE)
    said = one_line(capsys.readouterr().err)
    assert "0-f15-hao-ph.jpg is unlike the other photos of max (probability 0.0" in said
    enrol(gallery, "Bo", [one], SFACE)
    said = one_line(capsys.readouterr().err)
    assert "single_face.jpg is similar to Max too (probability 0." in said
    show(gallery)
    assert "0-f15-hao-ph.jpg" in capsys.readouterr().out
    remove(gallery, "Max")
    assert "erased: 2 faces" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--gallery", "talk.mp4"], ["--gallery=DEFAULT", "talk.mp4"]),
        (["talk.mp4", "--gallery"], ["talk.mp4", "--gallery=DEFAULT"]),
        (["--gallery", "-q", "talk.mp4"], ["--gallery=DEFAULT", "-q", "talk.mp4"]),
        (["--gallery", "my.sqlite", "a.mp4"], ["--gallery", "my.sqlite", "a.mp4"]),
        (["--gallery=my", "a.mp4"], ["--gallery=my", "a.mp4"]),
        (["a.mp4", "--", "--gallery"], ["a.mp4", "--", "--gallery"]),
    ],
)
def test_the_gallerys_file_may_be_left_out(given, meant):
    default = f"--gallery={default_gallery()}"
    assert filled_in(given) == [default if a == "--gallery=DEFAULT" else a for a in meant]


def test_a_run_names_people_of_the_gallery(pyfeat_data, gallery, tmp_path, monkeypatch):
    """By a photo of the man, taken elsewhere; --target finds him by the name."""
    monkeypatch.setenv("XDG_DATA_HOME", str(gallery.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    enrol(None, "Max", [pyfeat_data / "single_face.jpg"], SFACE)
    video = pyfeat_data / "single_face.mp4"
    done = command("run", "--gallery", video, "-o", tmp_path / "out", "--target", "max",
                   "--size", "64", "--name", "{name}", "--segment-length", "60")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "known: 1 is Max (0.9" in done.stderr
    folder = tmp_path / "out" / "single_face"
    assert (folder / "clips" / "Max.mp4").is_file()
    (person,) = json.loads((folder / "timeline.json").read_text())["people"]
    assert (person["name"], person["confidence"] >= 0.9) == ("Max", True)


def test_a_missing_gallery_is_an_error_before_anything_is_done(pyfeat_data, tmp_path):
    video = pyfeat_data / "single_face.mp4"
    with pytest.raises(InputError, match="there is no gallery; make one with"):
        analyze([video], tmp_path / "out", gallery=tmp_path / "no.sqlite")
    assert not (tmp_path / "out").exists()


def test_no_gallery_is_used_by_default(demo_analysis):
    assert with_names(demo_analysis, None, quiet=False) is demo_analysis
