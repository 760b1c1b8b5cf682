"""The command as users start it: exit codes, one clear line, nothing lost, nothing half-written."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from made.command import facetrack, one_line
from made.media import make_video

FORKS = """
import json, os, sys
import facetrack.cli.commands, facetrack.cli.job
from facetrack.cli import main
for arguments, said in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        sys.argv = ["facetrack", *arguments]
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def in_forks(commands, folder):
    """Exit code and stderr of command lines that end early, each run in a fork of one process
    that has the modules: importing them takes ten times as long as what is tested."""
    jobs = [[list(map(str, c)), str(folder / f"{i}.txt")] for i, c in enumerate(commands)]
    done = subprocess.run(
        [sys.executable, "-c", FORKS, json.dumps(jobs)],
        capture_output=True, text=True, check=True, timeout=250,
    )  # fmt: skip
    for code, (_, said) in zip(done.stdout.split(), jobs, strict=True):
        yield int(code), Path(said).read_text()


def no_remains(folder):
    assert [p for p in folder.rglob("*") if ".partial" in p.name] == []


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "folder").mkdir()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("hello\n" * 500)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "image.png")
    with av.open(str(folder / "sound.m4a"), "w", format="mp4") as film:
        audio = film.add_stream("aac", rate=48000, layout="mono")
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        chunk.sample_rate = 48000
        film.mux(audio.encode(chunk))
        film.mux(audio.encode(None))
    with av.open(str(folder / "no_frames.avi"), "w") as film:
        video = film.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        film.start_encoding()
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.mp4", "no such file"),
        ("folder", "folder"),
        ("empty.mp4", "empty"),
        ("text.mp4", "not a video"),
        ("sound.m4a", "no video in it"),
        ("image.png", "image"),
        ("no_frames.avi", "no_frames.avi"),
    ],
)
def test_what_cannot_be_read_ends_with_3(bad, tmp_path, name, words):
    done = facetrack("run", bad / name, "-o", tmp_path / "out")
    assert done.returncode == 3
    assert words in one_line(done.stderr)
    no_remains(tmp_path)


def test_truncated_keeps_what_could_be_read(pyfeat_data, tmp_path):
    """A stream that ends early: its frames are analysed, one line says so, the code is 3."""
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    with av.open(str(pyfeat_data / "single_face.mp4")) as source, av.open(str(whole), "w") as film:
        stream = film.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                film.mux(packet)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    done = facetrack("analyze", cut, "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 3
    assert "cut off" in one_line(done.stderr)
    timeline = json.loads((tmp_path / "out" / "cut" / "timeline.json").read_text())
    assert 10 < timeline["source"]["frame_count"] < 72
    assert timeline["source"]["damaged"] is True
    assert len(timeline["people"]) == 1


def test_damage_in_the_middle_keeps_the_rest(pyfeat_data, tmp_path):
    data = bytearray((pyfeat_data / "single_face.mp4").read_bytes())
    at = len(data) // 2
    data[at : at + 3000] = bytes(np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8))
    (tmp_path / "damaged.mp4").write_bytes(data)
    done = facetrack("analyze", tmp_path / "damaged.mp4", "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 3
    assert "damaged" in one_line(done.stderr)
    timeline = json.loads((tmp_path / "out" / "damaged" / "timeline.json").read_text())
    assert timeline["source"]["frame_count"] > 30
    assert len(timeline["people"]) == 1


def test_moov_missing_is_said(pyfeat_data, tmp_path):
    data = (pyfeat_data / "single_face.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
    done = facetrack("analyze", tmp_path / "half.mp4", "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 3
    assert "half.mp4" in one_line(done.stderr)


def test_no_face_is_done_with_a_warning(tmp_path):
    make_video(tmp_path / "grey.mp4")
    done = facetrack("run", tmp_path / "grey.mp4", "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 0
    assert "nobody found" in one_line(done.stderr)
    timeline = json.loads((tmp_path / "out" / "grey" / "timeline.json").read_text())
    assert timeline["people"] == []
    assert list((tmp_path / "out").rglob("*.mp4")) == []


def test_nobody_found_says_why_in_the_same_line(pyfeat_data, tmp_path):
    """A face that is seen for too few frames; 30 a second."""
    film = pyfeat_data / "single_face.mp4"
    done = facetrack("analyze", film, "--duration", "0.15", "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 0
    assert "nobody found: 1 track, 5 frames, 8 needed" in one_line(done.stderr)


def test_wrong_settings_end_with_2(tmp_path):
    make_video(tmp_path / "grey.mp4")
    wrong = (
        ["--size", "3"], ["--recognizer", "vggface2"], ["--mode", "duet"], ["--aspect", "wide"],
        ["--zoom", "all"], ["--preset", "none"], ["--fps", "0"], ["--quality", "101"],
        ["--name", "{sauce}"], ["--target", "ada.jpg"], ["--people", "people.toml"],
        ["--preset", "talking-head", "--mode", "split"],
    )  # fmt: skip
    run = ["run", tmp_path / "grey.mp4", "-o", tmp_path / "out", "-q"]
    ended = in_forks([[*run, *flags] for flags in wrong], tmp_path)
    for flags, (code, said) in zip(wrong, ended, strict=True):
        assert code == 2, flags
        assert flags[-2].strip("-") in said or "weights" in said
    assert not (tmp_path / "out").exists()  # said before anything is done


def test_unknown_target_ends_with_4(pyfeat_data, tmp_path):
    video = pyfeat_data / "single_face.mp4"
    done = facetrack("run", video, "-o", tmp_path / "out", "--target", "9", "--quiet")
    assert done.returncode == 4
    assert "target 9" in one_line(done.stderr)
    assert (tmp_path / "out" / "single_face" / "timeline.json").is_file()


def test_unwritable_output_ends_with_5(pyfeat_data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = facetrack("run", pyfeat_data / "single_face.mp4", "-o", tmp_path / "file", "--quiet")
    assert done.returncode == 5
    assert "file" in one_line(done.stderr)


def test_dry_run_writes_nothing(pyfeat_data, tmp_path):
    video = pyfeat_data / "single_face.mp4"
    done = facetrack("run", video, "-o", tmp_path / "out", "--dry-run", "--quiet")
    assert done.returncode == 0
    assert "person_01_0001.mp4" in done.stdout
    assert not (tmp_path / "out").exists()


def test_render_again_without_detecting(pyfeat_data, tmp_path):
    video = pyfeat_data / "single_face.mp4"
    assert facetrack("analyze", video, "-o", tmp_path / "out", "--quiet").returncode == 0
    done = facetrack("render", tmp_path / "out" / "single_face", "--size", "128", "--quiet")
    assert done.returncode == 0
    (clip,) = (tmp_path / "out").rglob("*.mp4")
    with av.open(str(clip)) as container:
        assert container.streams.video[0].width == 128


def test_how_people_are_told_apart_is_an_option(pyfeat_data, tmp_path):
    """Old names of recognisers go on."""
    done = facetrack(
        "analyze", pyfeat_data / "single_face.mp4", "-o", tmp_path, "-q", "--detector", "mtcnn",
        "--recognizer", "casia", "--probability", "0.8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    timeline = json.loads((tmp_path / "single_face" / "timeline.json").read_text())
    assert timeline["settings"]["detection"]["detector"] == "mtcnn"
    assert timeline["recognizer"]["name"] == "facenet"
    assert timeline["settings"]["identity"]["probability"] == 0.8
    assert timeline["settings"]["identity"]["threshold"] is None
    assert timeline["performance"]["detector"] == "mtcnn"
    done = facetrack("analyze", pyfeat_data / "single_face.mp4", "--probability", "1.5")
    assert done.returncode == 2
    assert "probability is 1.5; it must be more than 0 and below 1" in one_line(done.stderr)
    done = facetrack("analyze", pyfeat_data / "single_face.mp4", "--detector", "haar")
    assert "detector is 'haar'; it must be auto, mtcnn, yunet" in one_line(done.stderr)
    printed = facetrack("config").stdout
    assert 'detector = "auto"' in printed
    assert "probability = 0.5" in printed
    assert "# threshold =" in printed


def test_config_prints_a_file_that_config_reads(tmp_path):
    printed = facetrack("config")
    tables = tomllib.loads(printed.stdout)
    assert tables["clips"]["size"] == 512
    (tmp_path / "facetrack.toml").write_text(printed.stdout)
    make_video(tmp_path / "grey.mp4")
    done = facetrack(
        "analyze", tmp_path / "grey.mp4", "-o", tmp_path / "out",
        "--config", tmp_path / "facetrack.toml", "--json",
    )  # fmt: skip
    assert done.returncode == 0
    (tmp_path / "facetrack.toml").write_text("[clips]\nsiez = 5\n")
    done = facetrack(
        "run", tmp_path / "grey.mp4", "-o", tmp_path / "out", "--config",
        tmp_path / "facetrack.toml",
    )  # fmt: skip
    assert done.returncode == 2
    assert "siez" in one_line(done.stderr)


@pytest.mark.parametrize("command", ["weights", "doctor", "--help", "run --help"])
def test_informing_commands(command):
    done = facetrack(*command.split())
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 200
