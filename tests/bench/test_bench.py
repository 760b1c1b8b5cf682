"""``facetrack bench`` runs, writes what it promises, and counts as the library does. No timings."""

import json
import subprocess
import sys

import pytest
from PIL import Image

import facetrack
from facetrack.bench.analysis_runs import require_same
from facetrack.bench.films import write_film
from facetrack.bench.job import run_bench, run_render_bench
from facetrack.bench.process import in_own_process
from facetrack.bench.report import STAGES
from facetrack.core.errors import FacetrackError
from facetrack.media.decode import PyavSource
from made.media import make_video


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "facetrack", "bench", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip


def shortened(video, out, frames):
    with PyavSource(video) as source:
        images = [f.image.rgb() for f in source.frames(0.0, frames / float(source.fps))]
        write_film(out, images, source.fps, (320, 180))
    return out


@pytest.fixture(scope="module")
def clip(pyfeat_data, tmp_path_factory):
    return shortened(
        pyfeat_data / "single_face.mp4", tmp_path_factory.mktemp("clip") / "clip.mp4", 24
    )


def test_what_it_writes_and_that_counts_agree(clip, tmp_path):
    done = bench(clip, "-o", tmp_path, "--no-growth", "--repeat", 1)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bench.json", "bench.png"]
    report = json.loads((tmp_path / "bench.json").read_text())
    assert set(report) == {
        "schema", "date", "command", "repeat", "machine", "versions", "videos", "growth",
    }  # fmt: skip
    assert report["growth"] is None
    (video,) = report["videos"]
    analysis = facetrack.analyze(clip)
    found, stages = video["analysis"], video["stages"]
    assert (
        video["frames"] == found["frames"] == stages["decode"]["count"] == len(analysis.frame_times)
    )
    assert found["faces"] == analysis.faces.num_rows > 0
    assert found["people"] == len(analysis.people)
    assert set(stages) == set(STAGES)
    assert all(stage["count"] > 0 for stage in stages.values())
    assert found["runs_compared"] == 3  # cold, warm, and with a short queue
    assert found["digest"] == found["few_frames"]["digest"]
    assert video["disturbed"] in (True, False)
    if video["reference"] is None:
        assert video["reference_note"]
        assert video["ratios"]["cold"] is video["ratios"]["warm"] is None
    else:
        assert video["reference"]["frames_per_second"] > 0
        assert min(video["ratios"].values()) > 0
    assert video["ratios"]["of_decoding"] > 0
    with Image.open(tmp_path / "bench.png") as image:
        image.load()
        assert image.format == "PNG"


def test_rendering_beside_ffmpeg(clip, tmp_path, monkeypatch, capsys):
    """Of clips shorter than the command's."""
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr("facetrack.bench.clips.CLIP_S", 2.0)
    assert run_render_bench([clip], tmp_path, repeat=1, json=False, quiet=False) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["bench.json"]
    report = json.loads((tmp_path / "bench.json").read_text())
    assert set(report) == {
        "schema", "date", "command", "repeat", "machine", "versions", "render",
    }  # fmt: skip
    (measured,) = report["render"]
    assert (measured["clips"], measured["size"]) == (8, 512)
    assert measured["frames"] >= 8 * 2 * 25
    assert measured["likeness_db"] > 33
    assert [row["processes"] for row in measured["rows"]] == [1, 2]
    for row in measured["rows"]:
        assert row["facetrack"]["frames_per_second"] > 0
        assert row["ffmpeg"]["ratio"] > 0
    assert "ffmpeg" in capsys.readouterr().out


def test_the_torch_engine_is_measured_like_the_other(clip):
    measured = in_own_process("stages", clip, repeat=1, device="torch-cpu")
    assert set(measured["stages"]) == set(STAGES)
    assert all(stage["count"] > 0 for stage in measured["stages"].values())
    run = in_own_process("analysis", clip, repeat=1, device="torch-cpu")
    assert run["engine"] == "torch cpu f32"
    require_same(clip, [run])


def test_growth_on_a_very_short_clip(clip, tmp_path, monkeypatch, capsys):
    """Of fewer lengths and sizes than the command's."""
    lengths, sizes = (1, 3), ((640, 360), (1280, 720))
    monkeypatch.setattr("facetrack.bench.growth.LENGTHS", lengths)
    monkeypatch.setattr("facetrack.bench.growth.SIZES", sizes)
    short, out = shortened(clip, tmp_path / "short.mp4", 6), tmp_path / "out"
    code = run_bench([short], out, device="cpu", growing=True, repeat=1, json=True, quiet=False)
    assert code == 0
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads((out / "bench.json").read_text())
    assert report["videos"] == [json.loads(line)]
    growth = report["growth"]
    once = growth["length"][0]["frames"]
    assert once == 6
    assert [row["frames"] for row in growth["length"]] == [once * n for n in lengths]
    assert [row["frames"] for row in growth["resolution"]] == [once] * len(sizes)
    assert growth["faces"] is None  # so few frames are nobody's


def test_a_video_without_faces_has_stages_with_nothing_to_do(tmp_path):
    make_video(tmp_path / "grey.mp4", frames=12)
    done = bench(tmp_path / "grey.mp4", "-o", tmp_path / "out", "--no-growth", "--repeat", 1)
    assert done.returncode == 0, done.stderr
    (video,) = json.loads((tmp_path / "out" / "bench.json").read_text())["videos"]
    assert video["analysis"]["faces"] == video["stages"]["embedder"]["count"] == 0
    assert video["stages"]["embedder"]["per_second"] is None


def test_a_video_that_cannot_be_read_ends_with_3(tmp_path):
    for kind in ([], ["--render"], ["--device", "torch-cpu"]):
        done = bench(tmp_path / "missing.mp4", "-o", tmp_path / "out", *kind)
        assert done.returncode == 3
        assert "missing.mp4: no such file" in done.stderr
        assert not (tmp_path / "out").exists()


def test_runs_that_differ_are_an_error(clip):
    require_same(clip, [{"digests": ["a", "a"]}, {"digests": ["a"]}])
    with pytest.raises(FacetrackError, match="different results"):
        require_same(clip, [{"digests": ["a", "a"]}, {"digests": ["b"]}])
