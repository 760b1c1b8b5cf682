"""Settings from Python, from TOML and from an analysis: one schema, one kind of message."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from facetrack.cli.config import as_toml, load_settings
from facetrack.core.errors import UsageError
from facetrack.core.settings import (
    PRESETS,
    ClipSettings,
    DecodeSettings,
    DetectionSettings,
    IdentitySettings,
    Settings,
    TrackingSettings,
    settings_from,
)


@pytest.mark.parametrize(
    ("stage", "given", "said"),
    [
        (TrackingSettings, {"max_gap": -5}, "tracking.max_gap is -5; it must be 0 or more"),
        (TrackingSettings, {"min_iou": 7}, "tracking.min_iou is 7; it must be from 0 to 1"),
        (
            TrackingSettings,
            {"min_frames": "many"},
            "tracking.min_frames is 'many'; it must be a whole number, 0 or more",
        ),
        (
            TrackingSettings,
            {"max_gap": True},
            "tracking.max_gap is True; it must be a whole number, 0 or more",
        ),
        (DecodeSettings, {"start_s": -1}, "decode.start_s is -1; it must be 0 or more"),
        (DecodeSettings, {"start_s": float("nan")}, "decode.start_s is nan; it must be 0 or more"),
        (DecodeSettings, {"duration_s": 0}, "decode.duration_s is 0; it must be more than 0"),
        (
            DetectionSettings,
            {"device": "tpu"},
            "detection.device is 'tpu'; it must be cpu, cuda or torch-cpu",
        ),
        (DetectionSettings, {"min_face": 3}, "detection.min_face is 3; it must be 12 or more"),
        (
            DetectionSettings,
            {"pyramid_factor": 1.0},
            "detection.pyramid_factor is 1.0; it must be from 0.1 to below 1",
        ),
        (
            DetectionSettings,
            {"dense": "no"},
            "detection.dense is 'no'; it must be true or false",
        ),
        (
            IdentitySettings,
            {"recognizer": "arcface"},
            "identity.recognizer is 'arcface'; it must be sface, facenet, vggface2 or the path of "
            "an ONNX file",
        ),
        (
            IdentitySettings,
            {"recognizer": "vggface2"},
            "identity.weights is None; it must be a checkpoint's path (--weights FILE) when "
            "recognizer is vggface2",
        ),
        (
            IdentitySettings,
            {"weights": Path("mine.pt")},
            f"identity.weights is {Path('mine.pt')!r}; it must be left out: sface has weights of "
            "its own, --weights is for vggface2",
        ),
        (IdentitySettings, {"weights": 5}, "identity.weights is 5; it must be a path"),
        (ClipSettings, {"size": 65}, "clips.size is 65; it must be even, from 64 to 4096"),
        (ClipSettings, {"target": ()}, "clips.target is (); it must be somebody"),
        (
            ClipSettings,
            {"target": (1,)},
            "clips.target is (1,); it must be a text or a list of texts",
        ),
        (ClipSettings, {"preset": "none"}, "clips.preset is 'none'; it must be talking-head"),
        (
            ClipSettings,
            {"preset": "talking-head", "mode": "split"},
            "clips.mode is 'split'; it must be each, not condensed, in a data set",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_path(stage, given, said):
    with pytest.raises(UsageError) as error:
        stage(**given)
    assert str(error.value) == said
    with pytest.raises(UsageError) as error:
        settings_from({stage.table: given})
    assert str(error.value) == said


def test_values_become_what_the_setting_is():
    clips = ClipSettings(target="all", people="people.toml", quality=np.int64(80), pad_s=1)
    assert clips.target == ("all",)
    assert clips.people == Path("people.toml")
    assert type(clips.quality) is int and type(clips.pad_s) is float
    assert ClipSettings(target=["1", "2"]).target == ("1", "2")
    assert IdentitySettings("casia").recognizer == "facenet"


def test_a_preset_means_the_same_from_python_as_on_the_command_line():
    preset = ClipSettings(preset="talking-head")
    for name, value in PRESETS["talking-head"].items():
        assert getattr(preset, name) == value, name
    assert load_settings(None, {"clips": {"preset": "talking-head"}}).clips == preset
    assert settings_from({"clips": {"preset": "talking-head"}}).clips == preset
    assert ClipSettings("talking-head") == preset


def test_values_beside_a_preset_win():
    usual = ClipSettings()
    clips = ClipSettings(preset="talking-head", quality=usual.quality, fps=None)
    assert (clips.quality, clips.fps, clips.wav_rate) == (usual.quality, None, 16000)
    assert ClipSettings("talking-head", ("1",)).target == ("1",)
    assert replace(clips, size=256).fps is None  # ``replace`` keeps every value


def test_stored_clips_are_not_expanded_again():
    clips = ClipSettings(preset="talking-head", quality=10)
    assert settings_from(Settings(clips=clips).as_dict()).clips == clips


def test_flags_win_over_the_file_and_a_presets_values_stand_where_its_name_is(tmp_path):
    file = tmp_path / "facetrack.toml"
    file.write_text('[clips]\npreset = "talking-head"\nquality = 20\nsize = 256\n')
    clips = load_settings(file, {"clips": {"size": 128, "mode": None}}).clips
    assert (clips.quality, clips.size, clips.wav_rate) == (20, 128, 16000)
    file.write_text("[clips]\nquality = 20\n")
    clips = load_settings(file, {"clips": {"preset": "talking-head"}}).clips
    assert clips.quality == PRESETS["talking-head"]["quality"]


def test_weights_on_the_command_line_go_with_a_recogniser_in_the_file(tmp_path):
    file = tmp_path / "facetrack.toml"
    file.write_text('[identity]\nrecognizer = "vggface2"\n')
    settings = load_settings(file, {"identity": {"weights": "v.pt"}})
    assert settings.identity.weights == Path("v.pt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[clips]\nsiez = 5\n", "clips.siez: no such setting"),
        ("[clip]\nsize = 5\n", "no such table: clip; there are clips, decode, detection"),
        ("size = 5\n", "size is outside a table"),
        ("[clips\n", "not TOML"),
        ("[tracking]\nmax_gap = -5\n", "tracking.max_gap is -5; it must be 0 or more"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(tmp_path, text, said):
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(UsageError) as error:
        load_settings(tmp_path / "f.toml", {})
    assert said in str(error.value)


def test_toml_comes_back_whatever_a_text_holds(tmp_path):
    text = 'a "quoted"\\name\nof \x01 two lines \u0644\u064a'
    settings = Settings(
        identity=IdentitySettings(recognizer="vggface2", weights=Path(text)),
        clips=ClipSettings(name=text, target=(text, "2"), people=Path("b'c\"")),
    )
    written = as_toml(settings)
    assert settings_from(tomllib.loads(written)) == settings
    (tmp_path / "f.toml").write_text(written, "utf-8")
    assert load_settings(tmp_path / "f.toml", {}) == settings


def test_every_setting_is_in_the_file_with_its_meaning():
    lines = as_toml(Settings()).splitlines()
    for stage in fields(Settings):
        for f in fields(getattr(Settings(), stage.name)):
            (at,) = [i for i, line in enumerate(lines)
                     if line.removeprefix("# ").startswith(f"{f.name} =")
                     and f.metadata["help"] in lines[i - 1]]  # fmt: skip
            assert lines[at - 1] == f"# {f.metadata['help']}"


def test_names_that_nobody_knows_are_refused_with_those_there_are():
    for make, said in (
        (lambda: DetectionSettings(detector="nobody"), "auto, mtcnn, yunet"),
        (lambda: TrackingSettings(tracker="nobody"), "tracking.tracker is 'nobody'"),
        (lambda: IdentitySettings(recognizer="nobody"), "sface, facenet, vggface2"),
    ):
        with pytest.raises(UsageError, match=said):
            make()
