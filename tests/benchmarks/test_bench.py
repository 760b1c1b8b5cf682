"""``facetrack bench`` runs, writes its files, and counts as the library does."""

import json
import subprocess
import sys

import pytest
from PIL import Image

import facetrack
from facetrack.core.errors import FacetrackError
from facetrack.media.decode import PyavSource
from facetrack_bench.analysis_runs import require_same
from facetrack_bench.chart import draw_chart
from facetrack_bench.films import write_film
from facetrack_bench.job import NO_CHARTS, run_bench, run_render_bench
from facetrack_bench.report import STAGES
from facetrack_bench.worker import in_own_process
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


def test_files_and_counts(clip, tmp_path):
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


def test_rendering_compared_with_ffmpeg(clip, tmp_path, monkeypatch, capsys):
    """With clips shorter than those of the command."""
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr("facetrack_bench.clips.CLIP_S", 1.0)
    assert run_render_bench([clip], tmp_path, repeat=1, json=False, quiet=False) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["bench.json"]
    report = json.loads((tmp_path / "bench.json").read_text())
    assert set(report) == {
        "schema", "date", "command", "repeat", "machine", "versions", "render",
    }  # fmt: skip
    (measured,) = report["render"]
    assert (measured["clips"], measured["size"]) == (8, 512)
    assert measured["frames"] >= 8 * 25
    assert measured["likeness_db"] > 33
    assert [row["processes"] for row in measured["rows"]] == [1, 2]
    for row in measured["rows"]:
        assert row["facetrack"]["frames_per_second"] > 0
        assert row["ffmpeg"]["ratio"] > 0
    assert "ffmpeg" in capsys.readouterr().out


def test_the_torch_engine_has_the_same_stages(clip):
    measured = in_own_process("stages", clip, repeat=1, device="torch-cpu")
    assert set(measured["stages"]) == set(STAGES)
    assert all(stage["count"] > 0 for stage in measured["stages"].values())
    run = in_own_process("analysis", clip, repeat=1, device="torch-cpu")
    assert run["engine"] == "torch cpu f32"
    require_same(clip, [run])


def test_growth_on_a_very_short_clip(clip, tmp_path, monkeypatch, capsys):
    """With fewer lengths and sizes than those of the command."""
    lengths, sizes = (1, 3), ((640, 360), (1280, 720))
    monkeypatch.setattr("facetrack_bench.growth.LENGTHS", lengths)
    monkeypatch.setattr("facetrack_bench.growth.SIZES", sizes)
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
    assert growth["faces"] is None  # six frames are too few for a person


def test_no_faces_and_no_matplotlib(tmp_path, monkeypatch, capsys):
    """A stage without work has no rate. Without matplotlib a line says that there is no chart."""
    film, out = tmp_path / "grey.mp4", tmp_path / "out"
    options = {"device": "cpu", "growing": False, "repeat": 1, "json": False, "quiet": False}
    make_video(film, frames=12)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "matplotlib", None)
        assert run_bench([film], out, **options) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"facetrack: {NO_CHARTS}"]
    assert f"bench.json in {out}" in said.out.replace("\n", "")
    assert [p.name for p in out.iterdir()] == ["bench.json"]
    report = json.loads((out / "bench.json").read_text())
    (video,) = report["videos"]
    assert video["analysis"]["faces"] == video["stages"]["embedder"]["count"] == 0
    assert video["stages"]["embedder"]["per_second"] is None
    draw_chart(report, out / "bench.png")
    with Image.open(out / "bench.png") as image:
        image.load()


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
