"""The contract of ``Exporter``: all our formats, the fake, and formats of other packages."""

import importlib
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import facetrack
from facetrack.exports.registry import (
    GROUP,
    OUR_FORMATS,
    Exporter,
    exporter_of,
    format_names,
)
from facetrack.testing import FakeExporter

EXPORTERS = {**{name: exporter_of(name) for name in OUR_FORMATS}, "fake": FakeExporter()}
BINARY = {"parquet"}
WITHOUT_TIMES = {"mot"}
ODD_NAMES = [
    "",
    " \t ",
    "two\nlines\r\nand a third",
    "<b>bold</b> & {braces} --> ]]>",
    "\"quotes\", 'commas'; and \\backslashes\\",
    "Zoë 玲 \u2028 \udcff",  # a line separator; a byte of a name that is not UTF-8
    "control \x00\x07\x1b characters " + "long " * 100,
]


@pytest.fixture(params=EXPORTERS.values(), ids=EXPORTERS.keys())
def exporter(request):
    return request.param


@pytest.fixture(scope="module")
def analysis(demo_analysis):
    """Seven people; the third to the seventh are on screen at the same time."""
    return demo_analysis


def written(analysis, exporter, folder: Path) -> bytes:
    """The file's bytes; it must be the only file in the folder."""
    path = facetrack.export(analysis, exporter, folder / f"people{exporter.suffix}")
    assert list(folder.iterdir()) == [path]
    return path.read_bytes()


def test_it_has_a_name_and_a_suffix(exporter):
    assert isinstance(exporter, Exporter)
    assert re.fullmatch(r"[a-z0-9-]+", exporter.name)
    assert re.fullmatch(r"(\.[a-z0-9]+)+", exporter.suffix)
    assert EXPORTERS[exporter.name] is exporter


def test_names_and_suffixes_are_unique():
    assert len({e.suffix for e in EXPORTERS.values()}) == len(EXPORTERS)
    assert format_names()[: len(OUR_FORMATS)] == list(OUR_FORMATS)


def test_the_same_analysis_gives_the_same_bytes(exporter, analysis, tmp_path):
    """Also when it was stored and loaded, and whatever was written before."""
    first = written(analysis, exporter, tmp_path)
    assert len(first) > 0
    assert written(analysis, exporter, tmp_path) == first
    analysis.save(tmp_path / "stored")
    loaded = facetrack.Analysis.load(tmp_path / "stored")
    (tmp_path / "again").mkdir()
    assert written(loaded, exporter, tmp_path / "again") == first


def test_a_file_that_cannot_be_written_whole_is_not_there(exporter, analysis, tmp_path):
    """The file grows over the process's limit for files; an older file keeps its content."""
    resource = pytest.importorskip("resource")
    path = tmp_path / f"people{exporter.suffix}"
    path.write_text("an older file")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(OSError):
            facetrack.export(analysis, exporter, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "an older file"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exporter_that_fails_half_way_leaves_no_file(analysis, tmp_path):
    with pytest.raises(ZeroDivisionError):
        facetrack.export(analysis, FakeExporter(ZeroDivisionError()), tmp_path / "people.txt")
    assert list(tmp_path.iterdir()) == []


def test_the_analysis_is_not_changed(exporter, analysis, tmp_path):
    analysis.save(tmp_path / "stored")
    loaded = facetrack.Analysis.load(tmp_path / "stored")
    (tmp_path / "out").mkdir()
    written(loaded, exporter, tmp_path / "out")
    assert loaded == facetrack.Analysis.load(tmp_path / "stored")


def test_nobody_on_screen(exporter, analysis, tmp_path):
    """No person, no track and no face: a whole file that names nobody."""
    nobody = replace(analysis, people=[], tracks=[], intervals=[], faces=analysis.faces.slice(0, 0))
    assert b"Person 1" not in written(nobody, exporter, tmp_path)


def test_one_person(exporter, analysis, tmp_path):
    """Only the first person's name is in the file; without other names it is smaller."""
    first = analysis.people[0].id
    faces = analysis.faces.filter(np.array(analysis.faces["person"]) == first)
    one = replace(
        analysis,
        people=analysis.people[:1],
        tracks=[t for t in analysis.tracks if t.person == first],
        intervals=[i for i in analysis.intervals if i.person == first],
        faces=faces,
    )
    file = written(one, exporter, tmp_path)
    assert b"Person 2" not in file
    assert len(file) < len(written(analysis, exporter, tmp_path))


def test_odd_names_of_people_and_of_the_video(exporter, analysis, tmp_path):
    """A text file stays text of the same number of lines: no name can break out of its line."""
    people = [replace(p, name=n) for p, n in zip(analysis.people, ODD_NAMES, strict=True)]
    plain = written(analysis, exporter, tmp_path)
    video = analysis.info.path.with_name("a \udcff\n<b> & 'c' \"d\".mp4")
    odd = replace(analysis, people=people, info=replace(analysis.info, path=video))
    file = written(odd, exporter, tmp_path)
    if exporter.name not in BINARY:
        assert len(file.decode("utf-8").split("\n")) == len(plain.decode("utf-8").split("\n"))


def test_a_variable_frame_rate(exporter, analysis, tmp_path):
    """Times are those of the frames: formats with times differ from those at a constant rate."""
    frames = len(analysis.frame_times)
    variable = shown_for(analysis, np.resize([0.08, 0.02, 0.05, 0.03], frames))
    constant = shown_for(analysis, np.full(frames, 0.045))
    same = written(variable, exporter, tmp_path) == written(constant, exporter, tmp_path)
    assert same == (exporter.name in WITHOUT_TIMES)


def shown_for(analysis, seconds):
    """The analysis of a video whose frames are shown for these times."""
    edges = np.append(0, np.cumsum(seconds))
    mean_rate = Fraction(len(seconds) / float(edges[-1])).limit_denominator(1000)
    column = analysis.faces.column_names.index("time_s")
    field = analysis.faces.schema.field("time_s")
    return replace(
        analysis,
        info=replace(analysis.info, fps=mean_rate, duration_s=float(edges[-1])),
        frame_times=edges[:-1],
        faces=analysis.faces.set_column(column, field, [edges[analysis.faces["frame"]]]),
    )


# ---- formats of other packages

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"


def code_of_docs(language, first=""):
    """The code block that begins with this line, on the page about parts of one's own."""
    text = DOCS.read_text("utf-8")
    return re.search(rf"```{language}\n({re.escape(first)}.*?)```", text, re.DOTALL)[1]


def install(site: Path, module: str, source: str, formats: dict[str, str]) -> None:
    """A distribution as pip would install it: a module and a dist-info folder."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in formats.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on ``sys.path``, in which a test installs distributions."""
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == folder:
            del sys.modules[name]


def test_the_exporter_of_another_package_is_found(analysis, site, tmp_path):
    """The example of the documentation, as a distribution of its own."""
    entry_points = tomllib.loads(code_of_docs("toml"))["project"]["entry-points"]
    ((name, value),) = entry_points[GROUP].items()
    module = value.split(":")[0]
    install(site, module, code_of_docs("python", f"# {module}.py\n"), {name: value})
    importlib.invalidate_caches()
    assert format_names() == [*OUR_FORMATS, name]
    exporter = exporter_of(name)
    path = facetrack.export(analysis, name, tmp_path / f"x{exporter.suffix}")
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == len(analysis.intervals)
    assert any("Person 1" in line for line in lines)
    analysis.save(tmp_path / "stored")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); "
         "from facetrack.cli import main; main()", "export", str(tmp_path / "stored"), "-f", name],
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    assert Path(done.stdout.strip()).read_bytes() == path.read_bytes()


def test_a_broken_exporter_says_so_and_breaks_no_other(analysis, site, tmp_path):
    source = "import not_installed_anywhere\n"
    install(site, "broken", source, {"broken": "broken:Broken", "csv": "broken:Csv"})
    nameless = "class Nameless:\n    name = 'other'\n    suffix = '.x'\n    write = print\n"
    install(site, "nameless", nameless, {"nameless": "nameless:Nameless"})
    importlib.invalidate_caches()
    with pytest.raises(facetrack.FacetrackError, match=r"broken:Broken.*not_installed_anywhere"):
        facetrack.export(analysis, "broken", tmp_path / "x")
    with pytest.raises(facetrack.FacetrackError, match="needs name = 'nameless'"):
        facetrack.export(analysis, "nameless", tmp_path / "x")
    with pytest.raises(facetrack.FacetrackError, match=r"none of csv.*broken, nameless"):
        facetrack.export(analysis, "docx", tmp_path / "x")
    assert facetrack.export(analysis, "csv", tmp_path / "faces.csv").is_file()  # ours is taken
