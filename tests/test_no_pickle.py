"""No file that is read can be a program: nothing is unpickled or evaluated."""

import io
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from facetrack.core.errors import InputError
from facetrack.timeline import Analysis

SOURCE = Path(__file__).parents[1] / "src" / "facetrack"
BETWEEN_OUR_PROCESSES = {"runtime/worker_process.py"}
"""They send tasks through a pipe to a process that they start themselves."""
PROGRAMS = re.compile(
    r"\b(pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve)\b|\ballow_pickle=True|"
    r"\bweights_only=False|(?<![.\w])(eval|exec|__import__)\(|\byaml\.(load|unsafe_load)\b"
)


class Payload:
    """What a pickle runs when it is loaded: it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_nothing_is_unpickled_or_evaluated():
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if PROGRAMS.search(path.read_text("utf-8").replace("allow_pickle=False", ""))
    }
    assert found == BETWEEN_OUR_PROCESSES


def npz_of(value: object) -> bytes:
    """An ``embeddings.npz`` whose array is a pickle, as NumPy stores objects."""
    array = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(array, header)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.npy", array.getvalue() + pickle.dumps(value))
    return file.getvalue()


@pytest.mark.parametrize("whole", [True, False])
def test_an_archive_that_is_a_program_is_not_run(demo_analysis, tmp_path, whole):
    """The pickle in an array, or in place of the archive."""
    mark, folder = tmp_path / "mark", tmp_path / "out"
    demo_analysis.save(folder)
    attack = npz_of(Payload(mark)) if whole else pickle.dumps(Payload(mark))
    (folder / "embeddings.npz").write_bytes(attack)
    with pytest.raises(InputError):
        Analysis.load(folder)
    assert not mark.exists()
    if not whole:
        pickle.loads(attack)
        assert mark.exists()  # it is one that works
