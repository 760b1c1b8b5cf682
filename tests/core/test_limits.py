"""Bounds of inputs and outputs: small files that would take all memory are refused in one line."""

import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facetrack.clips.render.render import render_clips
from facetrack.core.bounded_npz import arrays_of
from facetrack.core.errors import InputError, UsageError, WeightsError
from facetrack.core.limits import VARIABLE, check_limit, limited, limits, use_limits
from facetrack.core.parquet import read_table
from facetrack.core.settings import LimitSettings, Settings
from facetrack.evaluation.labelled_photos import labelled_photos
from facetrack.media.codecs import Encoding
from facetrack.recognition.recognizers import onnx_recognizer
from made.clip_data import clip_of
from made.command import facetrack as command
from made.command import one_line
from made.media import make_video

MIB = 1 << 20


@pytest.fixture(autouse=True)
def usual_limits(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    yield
    use_limits(LimitSettings())


def test_the_settings_of_a_run_come_before_the_environment(monkeypatch):
    assert limits() == LimitSettings() == Settings().limits
    monkeypatch.setenv(VARIABLE, "frames=7, film_s=9")
    assert (limits().frames, limits().film_s) == (7, 9.0)
    with limited(LimitSettings(frames=5)):
        assert limits().frames == 5
    assert limits().frames == 7


@pytest.mark.parametrize("text", ["frames", "frames=-1", "frames=x", "none=1", "=", "frames=0"])
def test_an_environment_that_makes_no_sense_is_said(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError):
        limits()


@pytest.mark.parametrize("value", [11, 1e300, float("inf"), float("nan")])
def test_beyond_a_limit_one_line_names_setting_and_value(value):
    with limited(LimitSettings(film_s=10)):
        check_limit("film.mp4: its seconds", "film_s", 10)
        with pytest.raises(InputError, match=r"film\.mp4.*limits\.film_s = 10; if you trust it"):
            check_limit("film.mp4: its seconds", "film_s", value)
        with pytest.raises(UsageError):
            check_limit("clip", "film_s", value, UsageError)


def packed(path, shape, data_bytes, dtype="<f4"):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("1.npy", "w") as array,
    ):
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(array, header)
        for _ in range(data_bytes // MIB + 1):
            array.write(bytes(min(data_bytes, MIB)))
    return path.read_bytes()


def test_arrays_are_refused_before_they_are_unpacked(tmp_path):
    data = packed(tmp_path / "a.npz", (8 * MIB,), 32 * MIB)
    assert len(data) < MIB
    assert arrays_of(data, "a.npz")["1"].shape == (8 * MIB,)
    with limited(LimitSettings(table_bytes=MIB)), pytest.raises(InputError, match="table_bytes"):
        arrays_of(data, "a.npz")


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6), (2**62, 4), (-1,)])
def test_a_shape_without_data_takes_no_memory(tmp_path, shape):
    with pytest.raises(ValueError):
        arrays_of(packed(tmp_path / "a.npz", shape, 8), "a.npz")


def test_arrays_of_python_objects_are_not_loaded(tmp_path):
    """They would be pickles, which run code."""
    path = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(path), "w"))

    with (tmp_path / "a.npz").open("wb") as file:
        np.savez(file, allow_pickle=True, **{"1": np.array([Evil()], object)})
    with pytest.raises(ValueError, match="Python objects"):
        arrays_of((tmp_path / "a.npz").read_bytes(), "a.npz")
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        arrays_of((tmp_path / "b.npz").read_bytes(), "b.npz")
    assert not path.exists()


def repeated(value, rows):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), value)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(np.zeros(4 * MIB, np.float64)),
        repeated(pa.array(["x" * 10_000]), 400_000),
        repeated(pa.array([1.5]), 30 * MIB).cast(pa.float64()),
        pa.array([[0.0] * 4 * MIB]),
    ],
    ids=["zeros", "one long text", "one number", "one long list"],
)
def test_a_table_is_refused_before_it_takes_the_memory(tmp_path, column):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": column}), path, compression="zstd")
    assert path.stat().st_size < MIB
    with limited(LimitSettings(table_bytes=16 * MIB)):
        before = pa.total_allocated_bytes()
        with pytest.raises(InputError, match="table_bytes"):
            read_table(path)
        assert pa.total_allocated_bytes() - before < 16 * MIB
    assert pa.default_memory_pool().max_memory() < 8 << 30


@pytest.mark.parametrize("columns", [None, ["b"], ["b", "a"]])
def test_a_usual_table_is_read_as_it_was_written(tmp_path, columns):
    table = pa.table({"a": np.arange(200_000), "b": pa.array(["x", None] * 100_000)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=30_000)
    wanted = table if columns is None else table.select(columns)
    assert read_table(tmp_path / "a.parquet", columns).equals(wanted)
    empty = tmp_path / "empty.parquet"
    pq.write_table(table.slice(0, 0), empty)
    assert read_table(empty, columns).equals(wanted.slice(0, 0))
    with pytest.raises(pa.ArrowException):
        read_table(empty, ["none"])


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "sample")
    return tmp_path / "sample"


@pytest.mark.parametrize(
    ("limit", "what"),
    [("table_bytes=20000", "faces.parquet"), ("frames=9", "frames"), ("film_s=2", "length"),
     ("frame_faces=1", "faces"), ("text_bytes=99", "timeline.json"), ("frame_pixels=9", "frame")],
)  # fmt: skip
def test_each_limit_holds_for_a_folder(folder, monkeypatch, limit, what):
    monkeypatch.setenv(VARIABLE, limit)
    done = command("people", folder)
    assert done.returncode == 3
    assert what in one_line(done.stderr)


@pytest.mark.parametrize(
    ("name", "value"), [("frames", 9), ("film_s", 1.0), ("frame_pixels", 99), ("frame_faces", 1)]
)
def test_each_limit_holds_for_a_film(demo_analysis, tmp_path, name, value):
    config = tmp_path / "limits.toml"
    config.write_text(f"[limits]\n{name} = {value}\n")
    film = demo_analysis.info.path
    done = command("analyze", film, "-o", tmp_path / "out", "--config", config, "-q")
    assert done.returncode == 3
    assert f"limits.{name} = " in one_line(done.stderr)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": [16000, 16000], "places": [[0, 0, 16000, 16000]]}, "frame_pixels"),
        ({"end_s": 1e12}, "film_s"),
        ({"end_s": float("inf")}, "film_s"),
        ({"pictures": 10**12}, "frames"),
        ({"pictures": 10**7}, "rows instead of"),
        ({"size": [0, 64]}, "not above 0"),
    ],
)
def test_edited_crops_are_bounded(folder, change, words):
    done = command("render", folder, "--size", "64", "-q", "--target", "3")
    assert done.returncode == 0, done.stderr
    path = folder / "crops.parquet"
    table = pq.read_table(path)
    plans = pa.array([json.dumps(json.loads(p) | change) for p in table["plan"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("plan"), "plan", plans), path)
    done = command("render", folder, "--crops", path, "-q")
    assert done.returncode == 3
    assert words in one_line(done.stderr)


@pytest.mark.parametrize("suffix", [".onnx", ".json"])
def test_a_network_and_what_is_said_of_it_are_bounded(tmp_path, suffix):
    for name in ("mine.onnx", "mine.json"):
        (tmp_path / name).write_text('{"schema": "facetrack/recognizer/1", "sha256": ""}')
    with (tmp_path / f"mine{suffix}").open("ab") as file:
        file.truncate(2 * MIB)
    small = LimitSettings(network_bytes=MIB, text_bytes=MIB)
    with limited(small), pytest.raises(WeightsError, match=r"1,048,576"):
        onnx_recognizer(tmp_path / "mine.onnx")


def test_a_table_of_labels_is_bounded_and_names_no_file_elsewhere(tmp_path):
    table = tmp_path / "photos" / "labels.csv"
    table.parent.mkdir()
    (tmp_path / "ada.jpg").write_bytes(b"")
    (table.parent / "link.jpg").symlink_to(tmp_path / "ada.jpg")
    for name in ("../ada.jpg", str(tmp_path / "ada.jpg"), "link.jpg", ""):
        table.write_text(f"file,identity\n{name},Ada\n")
        with pytest.raises(InputError, match="inside the folder"):
            labelled_photos(table.parent)
    with limited(LimitSettings(text_bytes=9)), pytest.raises(InputError, match="9 are allowed"):
        labelled_photos(table.parent)


@pytest.mark.parametrize("frames", [4, 150])
def test_a_clip_is_bounded_while_it_is_written(tmp_path, frames):
    """How large it gets is not known before; an encoder holds the first frames back."""
    make_video(tmp_path / "film.mp4", frames=frames)
    clip = clip_of(np.arange(frames) / 25, (0, frames))
    with limited(LimitSettings(output_bytes=200)):
        (made,) = render_clips(tmp_path / "film.mp4", [clip], tmp_path, Encoding())
    assert "limits.output_bytes" in made.error
    assert [path.name for path in tmp_path.rglob("*.*")] == ["film.mp4"]
