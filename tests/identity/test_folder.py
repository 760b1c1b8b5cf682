"""Folders of analyses as users and other versions leave them: odd names, damage, other settings."""

import json
import os
import shutil

import pyarrow as pa
import pytest

from facetrack.core.errors import InputError
from facetrack.core.parquet import write_table
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.identity.folder import clips_of
from facetrack.timeline import Analysis
from facetrack.timeline.stored_settings import stored_settings
from made.command import facetrack as command
from made.command import one_line


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "sample")
    return tmp_path / "sample"


def with_clips(folder, *people):
    """One clip of each person, as a run lists them."""
    names = [f"clips/person_{p:02}.mp4" for p in people]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    table = pa.table({"clip": names, "person": pa.array(people, pa.int32())})
    write_table(folder / "crops.parquet", table)
    return folder


def test_clips_of_people_are_those_of_the_list(folder):
    found = clips_of(with_clips(folder, 1, 2), [2])
    assert (found.clips, found.of_people) == (2, ["clips/person_02.mp4"])


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has names that are no text")
def test_clips_are_found_in_a_folder_whose_name_is_not_utf_8(folder, tmp_path):
    """Arrow cannot open such a path; all tables are read through ``core.parquet``."""
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        shutil.copytree(folder, odd)
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 names alone ({error})")
    assert clips_of(with_clips(odd, 1, 2), [2]).of_people == ["clips/person_02.mp4"]


@pytest.mark.parametrize("damage", [b"", b"PAR1 no table", "other columns", "other types"])
def test_a_list_of_clips_that_cannot_be_read_names_none(folder, damage):
    with_clips(folder, 1, 2)
    file = folder / "crops.parquet"
    if damage == "other columns":
        write_table(file, pa.table({"clip": ["clips/person_02.mp4"]}))
    elif damage == "other types":
        write_table(file, pa.table({"clip": [3, None], "person": ["2", "2"]}))
    else:
        file.write_bytes(damage)
    found = clips_of(folder, [2])
    assert (found.clips, found.of_people) == (2, [])


def store(folder, stage, **values):
    """Changes settings in ``timeline.json``."""
    file = folder / "timeline.json"
    data = json.loads(file.read_text("utf-8"))
    data["settings"][stage] |= values
    file.write_text(json.dumps(data), "utf-8")
    return Analysis.load(folder)


def test_stored_settings_are_those_of_the_run(folder, tmp_path):
    weights = tmp_path / "own.safetensors"
    analysis = store(folder, "identity", recognizer="vggface2", weights=str(weights))
    identity = stored_settings(analysis, "identity", IdentitySettings)
    assert identity == IdentitySettings(recognizer="vggface2", weights=weights)
    assert stored_settings(analysis, "detection", DetectionSettings) == DetectionSettings()


@pytest.mark.parametrize("stage", ["detection", "identity"])
def test_an_unknown_stored_setting_is_one_line_with_folder_and_setting(folder, pyfeat_data, stage):
    """As a newer version may have stored it: a photo as target needs the settings of the run."""
    store(folder, stage, tiles=4)
    photo = pyfeat_data / "0-f15-hao-ph.jpg"
    done = command("render", folder, "--target", photo)
    assert done.returncode == InputError.exit_code == 3
    said = one_line(done.stderr)
    assert str(folder) in said
    assert f"{stage}.tiles" in said


@pytest.mark.parametrize(
    ("value", "words"),
    [({"min_face": "tiny"}, "detection"), ({"device": "abacus"}, "device is 'abacus'")],
)
def test_a_stored_value_that_cannot_be_used_is_one_line_with_the_folder(folder, value, words):
    analysis = store(folder, "detection", **value)
    with pytest.raises(InputError, match=words) as raised:
        stored_settings(analysis, "detection", DetectionSettings)
    assert str(folder) in one_line(str(raised.value))


def test_settings_that_are_not_stored_are_one_line(folder):
    file = folder / "timeline.json"
    data = json.loads(file.read_text("utf-8"))
    del data["settings"]["detection"]
    file.write_text(json.dumps(data), "utf-8")
    with pytest.raises(InputError, match="no settings of 'detection'"):
        stored_settings(Analysis.load(folder), "detection", DetectionSettings)
