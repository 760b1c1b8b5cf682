"""The examples in docstrings run as they stand, and print what they say."""

import doctest
import shutil
from importlib import import_module
from pathlib import Path

import pytest

import facetrack

SOURCE = Path(facetrack.__file__).parent


def module_name(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [
    module_name(path) for path in sorted(SOURCE.rglob("*.py")) if ">>> " in path.read_text("utf-8")
]


def test_the_main_calls_have_examples():
    calls = {"facetrack.api.analyze", "facetrack.api.render", "facetrack.exports.registry"}
    assert {"facetrack", *calls} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, pyfeat_data, analysed, tmp_path, monkeypatch):
    """In a folder with ``talk.mp4``, 72 frames of one person; methods have its ``analysis``."""
    shutil.copy(pyfeat_data / "single_face.mp4", tmp_path / "talk.mp4")
    monkeypatch.chdir(tmp_path)
    names = {"analysis": analysed(pyfeat_data / "single_face.mp4")}
    done = doctest.testmod(import_module(name), extraglobs=names)
    assert done.failed == 0  # what differs is in the captured output
    assert done.attempted > 0
