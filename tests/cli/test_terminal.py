"""Names and messages reach the terminal without a character that it would obey."""

import io
import json
import os
import sqlite3

import pytest
from rich.table import Table

from facetrack.cli.terminal import Terminal, say, visible
from made.command import facetrack as command

EVIL = "Ada\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\x7f\u202egpj.exe\u2066\u200b\x85\u2028[red]x[/]"
SHOWN = r"Ada\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\x7f\u202egpj.exe\u2066\u200b\x85\u2028[red]x[/]"
HARMLESS = [
    "Ada Lovelace", "\u0645\u06cc\u200c\u062e\u0648", "\U0001f468\u200d\U0001f469", ":smile: [b]",
]  # fmt: skip


def obeyed(text):
    """Characters of a text that a terminal obeys, but for line breaks."""
    return [
        c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"
    ]


def test_control_characters_become_visible():
    assert visible(EVIL) == SHOWN
    assert visible("a\nb\tc\0") == r"a\nb\tc\x00"
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\x1b"
    assert visible(os.fsdecode(b"caf\xe9")) == r"caf\xe9"
    assert visible("\ud800\U000e0041") == r"\ud800\U000e0041"
    for number in (*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        assert not obeyed(visible(chr(number)))
        assert chr(number) not in visible(chr(number))


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text, capsys):
    assert visible(text) == text
    say(text)
    assert capsys.readouterr().out == text + "\n"


def test_tables_and_lines_show_names_as_they_are():
    out = io.StringIO()
    console = Terminal(file=out, width=200)
    table = Table(title=EVIL)
    table.add_column("name")
    table.add_row(EVIL)
    table.add_row("[link=https://example.com]x[/link]")
    table.add_row("[/]")
    console.print(table)
    console.print(EVIL)
    said = out.getvalue()
    assert said.count(SHOWN) == 3
    assert "[link=https://example.com]x[/link]" in said
    assert "[/]" in said
    assert not obeyed(said)
    assert len({len(line) for line in said.splitlines()[1:-1]}) == 1  # the frame is straight


@pytest.fixture
def folder(demo_analysis, tmp_path):
    """A result whose people, film, warnings and edits have such names."""
    folder = tmp_path / "sample"
    demo_analysis.save(folder)
    file = folder / "timeline.json"
    timeline = json.loads(file.read_text("utf-8"))
    timeline["people"][0]["name"] = EVIL
    timeline["source"]["path"] = f"/nowhere/{EVIL.replace('/', '')}.mp4"
    timeline["warnings"] = [EVIL]
    file.write_text(json.dumps(timeline), "utf-8")
    return folder


COMMANDS = [
    ("people", "{folder}"),
    ("people", "name", "{folder}", "2", "Bo"),
    ("people", "forget", "{folder}", "1"),
    ("report", "{folder}"),
    ("render", "{folder}"),
    ("render", "{folder}", "--dry-run", "--target", "all", "--name", "{name}-{index}"),
    ("render", "{folder}", "--target", "\x1b[2J"),
    ("render", "{folder}", "--config", "\x1b[2J.toml"),
    ("analyze", "\x1b[2J.mp4"),
    ("analyze", "--\x1b[2J"),
    ("analyze", "a.mp4", "--device", "\x1b[2J"),
    ("export", "{folder}", "--format", "\x1b[2J"),
    ("people", "\x1b[2J"),
    ("people", "{folder}", "--debug"),
    ("people", "/\x1b[2J", "--debug"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands_write_nothing_that_a_terminal_obeys(folder, arguments):
    done = command(*(a.replace("{folder}", str(folder)) for a in arguments))
    assert not obeyed(done.stdout)
    assert not obeyed(done.stderr)
    assert "\\x1b" in done.stdout + done.stderr or arguments[0] == "report"


def test_json_and_files_keep_the_true_text(folder):
    done = command("people", folder, "--json")
    assert json.loads(done.stdout)["people"][0]["name"] == EVIL
    assert not obeyed(done.stdout)
    command("people", "name", folder, "2", "Bo")
    stored = json.loads((folder / "timeline.json").read_text("utf-8"))
    assert [p["name"] for p in stored["people"][:2]] == [EVIL, "Bo"]


def test_a_gallery_is_shown_without_them(tmp_path):
    from facetrack.identity.gallery import Gallery, GalleryFace

    path = tmp_path / "gallery.sqlite"
    import numpy as np

    vector = np.eye(1, 128, dtype=np.float32)[0]
    with Gallery(path, make=True) as gallery:
        gallery.add([GalleryFace(EVIL, "sface", EVIL, "2026-11-25", vector)])
    for arguments in (
        ("list",),
        ("remove", "nobody\x1b[2J"),
        ("export", tmp_path / "\x1b[2J.json"),
    ):
        done = command("gallery", *arguments, "--gallery", path)
        assert not obeyed(done.stdout + done.stderr)
        assert "\\x1b" in done.stdout + done.stderr
    with sqlite3.connect(path) as base:
        assert base.execute("SELECT name FROM faces").fetchone() == (EVIL,)
