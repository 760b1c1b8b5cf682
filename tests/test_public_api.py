"""What ``import facetrack`` promises: names, signatures, and what the calls do with settings."""

import inspect
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

import facetrack
from facetrack.cli.commands import analyze as analyze_command
from facetrack.core.settings import STAGES
from facetrack.pipeline.engine import check_engine
from made.media import make_video

PUBLIC = [
    "Analysis", "ClipError", "ClipSettings", "DecodeSettings", "DetectionSettings",
    "FacetrackError", "IdentitySettings", "InputError", "Interval", "OutputError", "Person",
    "ResourceError", "Settings", "Shot", "TargetError", "Track", "TrackFaces", "TrackingSettings",
    "UsageError", "VideoInfo", "WeightsError", "__version__", "analyze", "evaluate", "export",
    "open_engine", "plan", "render", "write_report",
]  # fmt: skip
NOT_KEYWORDS = {"path", "settings", "on_progress", "on_sample", "engine"}


def test_the_public_names():
    """A change here is a change for users: say it in the changelog."""
    assert facetrack.__all__ == PUBLIC == sorted(PUBLIC)
    assert dir(facetrack) == facetrack.__all__
    for name in set(PUBLIC) - {"__version__"}:
        assert getattr(facetrack, name).__doc__, name
        assert getattr(facetrack, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = facetrack.analyse


def test_names_load_nothing_before_they_are_used():
    program = (
        "import sys, facetrack; before = set(sys.modules)\n"
        "assert not before & {'numpy', 'av', 'openvino', 'pyarrow', 'PIL', 'torch', 'msgspec'}\n"
        "assert {m for m in before if m.startswith('facetrack')} == {'facetrack'}\n"
        "facetrack.ClipSettings; assert 'openvino' not in sys.modules\n"
        "facetrack.Analysis; assert 'openvino' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_calls_name_the_same_things_alike():
    signatures = {
        name: list(inspect.signature(getattr(facetrack, name)).parameters)
        for name in ("analyze", "plan", "render", "export", "write_report")
    }
    assert signatures["analyze"][:2] == ["path", "settings"]
    for name in ("plan", "render", "export", "write_report"):
        assert signatures[name][0] == "analysis", name
    assert signatures["export"][-1] == signatures["write_report"][-1] == "path"


def test_each_keyword_of_analyze_is_a_setting_and_an_option():
    keywords = set(inspect.signature(facetrack.analyze).parameters) - NOT_KEYWORDS
    settings = {f for stage in STAGES.values() for f in stage.__dataclass_fields__}
    assert keywords <= settings
    options = set(inspect.signature(analyze_command).parameters)
    assert keywords <= options


def test_keywords_win_over_settings(tmp_path):
    make_video(tmp_path / "grey.mp4")
    settings = facetrack.Settings(
        detection=facetrack.DetectionSettings(min_face=50, detector="mtcnn"),
        decode=facetrack.DecodeSettings(start_s=0.1),
    )
    analysis = facetrack.analyze(
        tmp_path / "grey.mp4", settings, detector="yunet", start_s=0.2, recognizer="facenet"
    )
    assert analysis.settings["detection"]["detector"] == "yunet"
    assert analysis.settings["detection"]["min_face"] == 50
    assert analysis.settings["decode"]["start_s"] == 0.2
    assert analysis.recognizer.name == "facenet"
    with pytest.raises(facetrack.UsageError, match=r"decode.start_s is -1; it must be 0 or more"):
        facetrack.analyze(tmp_path / "grey.mp4", start_s=-1)


@pytest.fixture(scope="module")
def engine():
    return facetrack.open_engine(facetrack.DetectionSettings(), facetrack.IdentitySettings())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"device": "cuda"}, "device is 'cuda', but the engine was opened with 'cpu'"),
        ({"device": "torch-cpu"}, "device is 'torch-cpu', but the engine was opened with 'cpu'"),
        ({"detector": "mtcnn"}, "detector is 'mtcnn', but the engine was opened with 'yunet'"),
        ({"min_face": 99}, "min_face is 99, but the engine was opened with None"),
        ({"recognizer": "facenet"}, "recognizer is 'facenet', but the engine was opened with"),
    ],
)
def test_an_engine_that_was_opened_with_other_settings_is_refused(tmp_path, engine, asked, said):
    make_video(tmp_path / "grey.mp4")
    with pytest.raises(facetrack.UsageError) as error:
        facetrack.analyze(tmp_path / "grey.mp4", engine=engine, **asked)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_another_precision_is_refused():
    """MTCNN on the CPU computes on every frame in float32, on key frames in less."""
    key_frames = facetrack.DetectionSettings(detector="mtcnn")
    opened = facetrack.open_engine(key_frames, facetrack.IdentitySettings())
    asked = facetrack.Settings(detection=replace(key_frames, dense=True))
    with pytest.raises(facetrack.UsageError, match="dense is True, but the engine was opened with"):
        check_engine(opened, asked)
    other_keys = replace(key_frames, dense=False, key_interval=4)
    check_engine(opened, facetrack.Settings(detection=other_keys))


def test_an_engine_brings_its_settings(tmp_path):
    make_video(tmp_path / "grey.mp4")
    detection = facetrack.DetectionSettings(min_face=64)
    engine = facetrack.open_engine(detection, facetrack.IdentitySettings("facenet"))
    analysis = facetrack.analyze(tmp_path / "grey.mp4", engine=engine, start_s=0.2)
    assert analysis.settings["detection"]["min_face"] == 64
    assert analysis.settings["identity"]["recognizer"] == "facenet"
    made_by_hand = replace(engine, detection=None, identity=None)
    facetrack.analyze(tmp_path / "grey.mp4", device="cpu", min_face=30, engine=made_by_hand)


def test_write_report(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "out")
    in_folder = facetrack.write_report(demo_analysis, tmp_path / "out")
    assert in_folder == tmp_path / "out" / "report.html"
    elsewhere = facetrack.write_report(demo_analysis, tmp_path / "new" / "page.html")
    assert elsewhere == tmp_path / "new" / "page.html"
    for page in (in_folder, elsewhere):
        text = page.read_text("utf-8")
        assert text.startswith("<!doctype html>") or text.startswith("<!DOCTYPE html>")
        assert "Person 7" in text
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["page.html"]
    in_folder.unlink()
    assert facetrack.write_report(tmp_path / "out") == in_folder and in_folder.is_file()
    of_folder = facetrack.write_report(tmp_path / "out", tmp_path / "second")
    assert of_folder == tmp_path / "second" / "report.html"
    with pytest.raises(facetrack.UsageError, match="path is None"):
        facetrack.write_report(demo_analysis)


def test_a_frames_faces_as_detections_of_supervision(demo_analysis):
    supervision = pytest.importorskip("supervision")
    found = demo_analysis.detections(200)  # the photo of five
    assert isinstance(found, supervision.Detections) and len(found) == 5
    rows = [r for r in demo_analysis.faces.to_pylist() if r["frame"] == 200]
    assert found.tracker_id.tolist() == [r["track"] for r in rows]
    assert found.class_id.tolist() == [r["person"] for r in rows]
    np.testing.assert_array_equal(
        found.xyxy, [[r[c] for c in ("x1", "y1", "x2", "y2")] for r in rows]
    )
    assert found["class_name"].tolist() == [f"Person {r['person']}" for r in rows]
    assert found["landmarks"].shape == (5, 5, 2)
    assert len(found[found.confidence > 2]) == 0  # their own filter works on all columns
    nobody = demo_analysis.detections(300)
    assert len(nobody) == 0 and nobody["landmarks"].shape == (0, 5, 2)
    annotated = supervision.LabelAnnotator().annotate(np.zeros((360, 640, 3), np.uint8), found)
    assert annotated.any()


def test_detections_that_cannot_be_made_are_said(demo_analysis, monkeypatch):
    with pytest.raises(facetrack.UsageError, match="frame is 485; it must be from 0 to 484"):
        demo_analysis.detections(485)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(facetrack.UsageError, match="supervision is not installed; pip install"):
        demo_analysis.detections(0)


def test_one_version():
    try:
        installed = version("facetrack")
    except PackageNotFoundError:
        pytest.skip("facetrack is not installed as a package")
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert facetrack.__version__ == installed == project["version"]
    done = subprocess.run(
        [sys.executable, "-m", "facetrack", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"facetrack {installed}\n"
