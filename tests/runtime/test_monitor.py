"""Samples of a run: their values, where they go, and that no thread stays behind."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import psutil
import pytest

import facetrack
from facetrack.cli.facts import show_machine
from facetrack.core.errors import InputError
from facetrack.core.settings import DetectionSettings, Settings
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn
from facetrack.pipeline.engine import open_engine
from facetrack.pipeline.face_analyzer import MAX_UNTRACKED_BATCHES
from facetrack.runtime import metrics
from facetrack.runtime.batching import LARGEST, SMALLEST
from facetrack.runtime.gpu import Gpu, NoNvml, gpu_names
from facetrack.runtime.process import short_switch_interval
from facetrack.runtime.run_stats import DecimatingBuffer, StageClock, Stages
from facetrack.timeline import Analysis
from made.media import make_video

QUEUE_FRAMES = 40
SIZES = {2**n for n in range(20) if SMALLEST <= 2**n <= LARGEST}


def settings():
    default = Settings()
    return replace(default, decode=replace(default.decode, queue_frames=QUEUE_FRAMES))


@pytest.fixture(scope="module")
def watched(pyfeat_data):
    """An analysis, the samples that came while it ran, and the CPU seconds that it took."""
    live = []
    before_s = time.process_time()
    analysis = facetrack.analyze(
        pyfeat_data / "WolfgangLanger_Pexels.mp4",
        settings(),
        on_sample=lambda sample: live.append((threading.current_thread().name, sample)),
    )
    no_monitor_is_left()
    return analysis, live, time.process_time() - before_s


def no_monitor_is_left():
    assert "monitor" not in {thread.name for thread in threading.enumerate()}


def test_samples_follow_the_run_to_its_end(watched):
    analysis, live, _ = watched
    table = analysis.metrics
    assert table.num_rows == len(live) > 1
    assert {name for name, _ in live} == {"monitor"}
    kept = metrics.as_lines(table).splitlines(keepends=True)
    assert [metrics.as_line(sample) for _, sample in live] == kept
    for growing in ("seconds", "frames", *(f"{stage}_s" for stage in vars(Stages()))):
        values = table[growing].to_numpy()
        assert (np.diff(values) >= 0).all(), growing
    assert table["frames"][-1].as_py() == analysis.info.frame_count
    assert table["untracked_frames"][-1].as_py() == table["queued_frames"][-1].as_py() == 0
    assert 0 < table["seconds"][-1].as_py() <= analysis.performance["seconds"] + 0.001


def test_values_are_within_their_bounds(watched):
    table = watched[0].metrics

    def all_within(name, low, high):
        values = table[name].drop_null().to_numpy()
        assert len(values) and (values >= low).all() and (values <= high).all(), (name, values)

    all_within("queued_frames", 0, QUEUE_FRAMES)
    all_within("queued_bytes", 0, settings().decode.queue_bytes)
    all_within("untracked_frames", 0, SMALLEST * (MAX_UNTRACKED_BATCHES + 1))
    all_within("cpu_percent", 0, np.inf)
    all_within("machine_cpu_percent", 0, 100)
    all_within("rss_bytes", 50e6, 50e9)
    all_within("frames_per_second", 0, np.inf)
    assert set(table["batch_size"].drop_null().to_pylist()) <= SIZES


def test_rates_add_up_to_the_frames_and_the_cpu_time(watched):
    analysis, _, cpu_s = watched
    samples = analysis.metrics.to_pylist()
    used_s = 0.0
    for before, now in pairwise(samples):
        if now["frames_per_second"] is not None:  # None: too little time for a rate
            passed_s = now["seconds"] - before["seconds"]
            frames = now["frames"] - before["frames"]
            assert now["frames_per_second"] * passed_s == pytest.approx(frames, abs=0.5)
            used_s += now["cpu_percent"] / 100 * passed_s * psutil.cpu_count()
    assert 0 < used_s <= cpu_s + 0.01


def test_unknown_quantities_are_left_out(watched):
    analysis, live, _ = watched
    assert "cpu" in analysis.performance["engine"]
    for sample in (analysis.metrics.column_names, *(sample for _, sample in live)):
        assert not [name for name in sample if name.startswith("gpu")]


def test_batch_sizes_over_time(watched):
    performance = watched[0].performance
    changes = performance["batch_size_changes"]
    assert changes
    assert {size for _, size in changes} <= SIZES
    assert all(a != b for (_, a), (_, b) in pairwise(changes))
    times_s = [at_s for at_s, _ in changes]
    assert times_s == sorted(times_s)
    assert times_s[0] > 0 and times_s[-1] < performance["seconds"]


def test_the_summary_agrees_with_the_samples(watched, tmp_path):
    """Computed again, from the file alone."""
    analysis = watched[0]
    analysis.save(tmp_path)
    samples = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    said = json.loads((tmp_path / "timeline.json").read_text())["performance"]["metrics"]
    totals = {"seconds", "frames", *(f"{stage}_s" for stage in vars(Stages()))}
    assert set(said) == {name for sample in samples for name in sample} - totals
    for name, facts in said.items():
        values = sorted(sample[name] for sample in samples if name in sample)
        assert facts["mean"] == pytest.approx(sum(values) / len(values), abs=1e-3)
        assert facts["max"] == pytest.approx(values[-1], abs=1e-3)
        for percentile in (5, 50, 95):
            wanted = np.percentile(values, percentile)
            assert facts[f"p{percentile}"] == pytest.approx(wanted, abs=1e-3), name
        assert facts["p5"] <= facts["p50"] <= facts["p95"] <= facts["max"]


def test_stages_and_their_shares(watched):
    performance = watched[0].performance
    stages = performance["stages"]
    assert list(stages) == list(vars(Stages()))
    for stage, facts in stages.items():
        share = facts["seconds"] / performance["seconds"]
        assert facts["share"] == pytest.approx(share, abs=2e-3), stage
        assert 0 <= facts["share"] <= 1, stage
    for stage in ("open", "decode", "shots", "detect", "track", "embed"):
        assert stages[stage]["seconds"] > 0, stage
    alone = ("open", "wait_for_frames", "shots", "detect", "wait_for_tracker", "people")
    assert sum(stages[s]["share"] for s in alone) <= 1.001  # all in the caller's thread


def test_saved_and_loaded(watched, tmp_path):
    analysis = watched[0]
    analysis.save(tmp_path)
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert Analysis.load(tmp_path).metrics.equals(analysis.metrics)
    replace(analysis, metrics=metrics.as_table([])).save(tmp_path)
    assert Analysis.load(tmp_path).metrics.num_rows == 0
    (tmp_path / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(InputError):
        Analysis.load(tmp_path)


def test_every_stage_has_its_column():
    stages = [name[:-2] for name in metrics.COLUMNS.names if name.endswith("_s")]
    assert stages == list(vars(Stages()))


def test_no_thread_is_left_after_an_error(pyfeat_data, tmp_path):
    class Failing(OpenVinoMtcnn):
        def detect(self, images):
            raise RuntimeError("the engine failed")

    engine = open_engine(Settings().detection, Settings().identity)
    failing = replace(engine, detector=Failing(Settings().detection, "f32"))
    with pytest.raises(RuntimeError, match="the engine failed"):
        facetrack.analyze(pyfeat_data / "single_face.mp4", engine=failing)
    no_monitor_is_left()

    make_video(tmp_path / "grey.mp4")
    after_the_end = replace(Settings(), decode=replace(Settings().decode, start_s=100.0))
    with pytest.raises(InputError):
        facetrack.analyze(tmp_path / "grey.mp4", after_the_end)
    no_monitor_is_left()


def test_an_error_of_the_monitor_is_one_warning_and_ends_nothing(pyfeat_data):
    def full(sample):
        raise OSError("the disk is full")

    video = pyfeat_data / "single_face.mp4"
    analysis = facetrack.analyze(video, on_sample=full)
    no_monitor_is_left()
    (warning,) = analysis.warnings
    assert "monitoring stopped" in warning and "the disk is full" in warning
    assert analysis.metrics.num_rows == 1  # what came before the error is kept
    assert len(analysis.people) == 1
    assert len(analysis.frame_times) == analysis.info.frame_count == 72


def test_the_command_writes_samples_as_they_come(pyfeat_data, tmp_path):
    video = pyfeat_data / "WolfgangLanger_Pexels.mp4"
    command = ["analyze", video, "-o", tmp_path, "--duration", 6, "--dense", "--quiet"]
    # every frame, so that there is time to look at the growing file
    process = subprocess.Popen([sys.executable, "-m", "facetrack", *map(str, command)])
    lines = []
    while process.poll() is None and len(lines) < 2:
        time.sleep(0.05)
        for growing in tmp_path.glob("*/.metrics.jsonl.*.partial"):
            lines = growing.read_text().split("\n")[:-1]
            assert not (tmp_path / video.stem / "metrics.jsonl").exists()
    assert process.wait(250) == 0
    assert len(lines) >= 2
    folder = tmp_path / video.stem
    assert not [p for p in folder.iterdir() if ".partial" in p.name]
    assert (folder / "metrics.jsonl").read_text().splitlines()[: len(lines)] == lines
    analysis = Analysis.load(folder)
    assert analysis.metrics["frames"][-1].as_py() == analysis.info.frame_count > 100


@pytest.mark.parametrize("added", [0, 1, 7, 8, 9, 16, 17, 100, 1001])
def test_a_decimated_list_is_even_and_has_the_newest(added):
    buffer = DecimatingBuffer(8)
    for number in range(added):
        buffer.add(number)
    items = buffer.items()
    assert items[:1] == list(range(added))[:1]
    assert items[-1:] == list(range(added))[-1:]
    if added <= 8:
        assert items == list(range(added))
    else:
        assert 4 < len(items) <= 9
        steps = set(np.diff(items[:-1]).tolist())
        assert len(steps) == 1
        assert items[-1] - items[-2] <= max(steps)


def test_a_clock_counts_the_present_stay():
    clock = StageClock()
    assert clock.seconds == 0
    with clock:
        first = clock.seconds
        second = clock.seconds
    assert 0 <= first <= second <= clock.seconds == clock.seconds
    before = clock.seconds
    assert list(clock.iterate(range(3))) == [0, 1, 2]
    assert clock.timed(lambda a, b: a + b)(1, b=2) == 3
    assert clock.seconds >= before


def test_doctor_says_whether_a_gpu_can_be_monitored(capsys):
    show_machine()
    assert "GPU by NVML" in capsys.readouterr().out


@pytest.fixture
def gpu():
    try:
        return gpu_names()[0]
    except NoNvml as reason:
        pytest.skip(str(reason))


def test_the_gpu_of_the_engine_is_monitored(gpu, pyfeat_data):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA GPU")
    on_gpu = replace(Settings(), detection=DetectionSettings(device="cuda", dense=True))
    taken = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    analysis = facetrack.analyze(pyfeat_data / "WolfgangLanger_Pexels.mp4", on_gpu)
    assert torch.cuda.get_device_name() in gpu
    table = analysis.metrics
    assert (table["gpu_memory_bytes"].to_numpy() > taken.nbytes).all()
    for name in ("gpu_percent", "gpu_decoder_percent"):
        values = table[name].to_numpy()
        assert ((values >= 0) & (values <= 100)).all()
        assert set(analysis.performance["metrics"][name]) == {"mean", "p5", "p50", "p95", "max"}


def test_a_gpu_that_this_machine_does_not_have(gpu):
    with pytest.raises(NoNvml):
        Gpu("GPU-00000000-0000-0000-0000-000000000000")


def test_threads_take_turns_as_before_when_the_last_analysis_has_ended():
    before = sys.getswitchinterval()
    with short_switch_interval():
        quick = sys.getswitchinterval()
        with short_switch_interval():
            assert sys.getswitchinterval() == quick < before
        assert sys.getswitchinterval() == quick
    assert sys.getswitchinterval() == before
    with pytest.raises(InputError), short_switch_interval():
        raise InputError("what ends an analysis")
    assert sys.getswitchinterval() == before
