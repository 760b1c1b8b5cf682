"""Odd sources, full disks and killed processes: what can be made is made, the rest is said."""

import os
import resource
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from fractions import Fraction

import av
import numpy as np
import psutil
import pytest

from facetrack.clips.render.render import render_clips
from facetrack.media.codecs import Encoding
from made.clip_data import boxes_of, clip_of, ends, greys, left_behind, sound, times
from made.media import make_video

FRAMES = 75
TIMES = np.arange(FRAMES) / 25
PLAIN = Encoding()


def grey_of(frame):
    """What ``make_video`` paints."""
    return (frame * 7) % 200 + 20


def one(film, clip, out, encoding=PLAIN):
    (made,) = render_clips(film, [clip], out, encoding)
    assert made.error is None
    assert not left_behind(out)
    return made


@pytest.mark.parametrize("frame_range", [(0, 1), (74, 75), (40, 41), (0, 75), (60, 75)])
def test_ranges_at_the_start_and_the_end_and_of_one_frame(tmp_path, frame_range):
    make_video(tmp_path / "film.mp4", frames=FRAMES, options={"bf": "3", "g": "30"})
    made = one(tmp_path / "film.mp4", clip_of(TIMES, frame_range), tmp_path)
    assert made.frames == frame_range[1] - frame_range[0]
    np.testing.assert_allclose(greys(made.path), [grey_of(i) for i in range(*frame_range)], atol=4)
    assert times(made.path)[1] == pytest.approx((frame_range[1] - frame_range[0]) / 25, abs=1e-4)


@pytest.mark.parametrize(
    "crop",
    [(0, 0, 60, 60), (96, 64, 60, 60), (48, 32, 300, 300), (48, 32, 0.5, 0.5), (48.25, 1, 3, 90)],
    ids=["a corner", "the other corner", "larger than the frame", "a half pixel", "a strip"],
)
def test_crops_that_reach_out_of_the_frame_repeat_its_edge(tmp_path, crop):
    make_video(tmp_path / "film.mp4", frames=12)
    made = one(tmp_path / "film.mp4", clip_of(TIMES[:12], (0, 12), crop=crop), tmp_path)
    np.testing.assert_allclose(greys(made.path), [grey_of(i) for i in range(12)], atol=4)


@pytest.mark.parametrize(
    ("codec", "size", "pix_fmt", "suffix"),
    [
        ("ffv1", (97, 53), "yuv444p", ".mkv"),
        ("ffv1", (97, 53), "yuv420p10le", ".mkv"),
        ("ffv1", (98, 54), "yuv422p", ".mkv"),
        ("ffv1", (96, 54), "bgra", ".mkv"),
        ("ffv1", (96, 54), "gray", ".mkv"),
        ("rawvideo", (96, 54), "nv12", ".nut"),
        ("mjpeg", (96, 54), "yuvj420p", ".avi"),
        ("libx264", (96, 54), "yuv420p", ".ts"),
        ("libx264", (96, 54), "yuv420p", ".h264"),
        ("mpeg4", (96, 54), "yuv420p", ".avi"),
        ("libvpx-vp9", (96, 54), "yuv420p", ".webm"),
    ],
)  # fmt: skip
def test_sources_of_every_kind(tmp_path, codec, size, pix_fmt, suffix):
    film = tmp_path / f"film{suffix}"
    make_video(film, frames=40, size=size, codec=codec, pix_fmt=pix_fmt)
    clip = clip_of(np.arange(40) / 25, (11, 20), (25, 31))
    made = one(film, clip, tmp_path)
    shown = [*range(11, 20), *range(25, 31)]
    np.testing.assert_allclose(greys(made.path), [grey_of(i) for i in shown], atol=5)


def test_a_small_source_is_made_larger(tmp_path):
    make_video(tmp_path / "film.mp4", frames=5, size=(32, 18))
    clip = clip_of(TIMES[:5], (0, 5), crop=(16, 9, 10, 18), size=(1080, 1920))
    made = one(tmp_path / "film.mp4", clip, tmp_path)
    with av.open(str(made.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (1080, 1920)


def test_a_slow_pan_glides(tmp_path):
    """A spot under a crop that moves a tenth of a pixel a frame moves evenly, not by pixels."""
    y, x = np.mgrid[:64, :96]
    spot = 40 + 180 * np.exp(-((x - 48) ** 2 + (y - 32) ** 2) / 30)
    with av.open(str(tmp_path / "film.mkv"), "w") as film:
        stream = film.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "gray"
        for i in range(40):
            image = av.VideoFrame.from_ndarray(spot.astype(np.uint8), format="gray")
            image.pts, image.time_base = i, Fraction(1, 25)
            film.mux(stream.encode(image))
        film.mux(stream.encode(None))
    crops = [(46 + i / 10, 32 + i / 30, 40, 40) for i in range(40)]
    clip = clip_of(np.arange(40) / 25, (0, 40), crop=crops, size=(128, 128))
    made = one(tmp_path / "film.mkv", clip, tmp_path, Encoding(quality=95))
    centres = []
    with av.open(str(made.path)) as container:
        for image in container.decode(video=0):
            light = np.clip(image.to_ndarray(format="gray").astype(float) - 60, 0, None)
            v, u = np.mgrid[:128, :128] + 0.5
            centres.append(((light * u).sum() / light.sum(), (light * v).sum() / light.sum()))
    scale = 128 / 40
    expected = [((48.5 - cx) * scale + 64, (32.5 - cy) * scale + 64) for cx, cy, *_ in crops]
    np.testing.assert_allclose(centres, expected, atol=0.15)


def test_sound_shorter_than_the_video_ends_in_silence(tmp_path):
    make_video(tmp_path / "whole.mp4", frames=FRAMES, beeps=True)
    with av.open(str(tmp_path / "whole.mp4")) as source, av.open(str(tmp_path / "f.mp4"), "w") as f:
        streams = {s.index: f.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            late = packet.pts is not None and packet.pts * packet.time_base > 1
            if packet.dts is None or (packet.stream.type == "audio" and late):
                continue
            packet.stream = streams[packet.stream.index]
            f.mux(packet)
    made = one(tmp_path / "f.mp4", clip_of(TIMES, (5, 70)), tmp_path)
    assert made.samples == 65 * 1920
    assert ends(made.path) == pytest.approx([2.6, 2.6], abs=1e-4)
    assert np.abs(sound(made.path)[0][0, -48000:]).max() < 0.01


def test_a_source_cut_off_since_the_analysis(tmp_path):
    """A frame or two missing are stood in for; a clip of which little is left is said."""
    film = tmp_path / "film.ts"
    make_video(film, frames=FRAMES, options={"bf": "0", "g": "10"})
    data = film.read_bytes()
    film.write_bytes(data[: len(data) * 2 // 3 // 188 * 188])
    clips = [clip_of(TIMES, (0, 20), name="a.mp4"), clip_of(TIMES, (30, 75), name="b.mp4")]
    whole, cut_off = render_clips(film, clips, tmp_path, PLAIN)
    assert whole.error is None
    assert "frames could not be read again" in cut_off.error
    assert not (tmp_path / "b.mp4").exists()
    assert not left_behind(tmp_path)


def test_a_clip_whose_name_is_taken_by_a_folder(tmp_path):
    make_video(tmp_path / "film.mp4", frames=FRAMES)
    clips = [clip_of(TIMES, (0, 30), name="a.mp4"), clip_of(TIMES, (5, 35), name="b.mp4")]
    (tmp_path / "a.mp4").mkdir()
    seen = []
    first, second = render_clips(tmp_path / "film.mp4", clips, tmp_path, PLAIN, on_clip=seen.append)
    assert "could not be written" in first.error
    assert second.error is None
    assert len(greys(second.path)) == 30
    assert sorted(seen, key=lambda r: r.path) == [first, second]
    assert not left_behind(tmp_path)


@contextmanager
def small_disk(folder, size):
    """The folder holds so many bytes."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def small_files(folder, size):
    """No file may be larger; what pytest writes to neither, so it is left before a test ends."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def noise_film(path):
    """Frames that hardly compress."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        for i in range(20):
            noise = random.integers(0, 256, (192, 128)).astype(np.uint8)
            image = av.VideoFrame.from_ndarray(noise, format="yuv420p")
            image.pts, image.time_base = i, Fraction(1, 25)
            film.mux(stream.encode(image))
        film.mux(stream.encode(None))


@pytest.mark.parametrize("kib", [0, 4, 36, 64, 120, 196])
@pytest.mark.parametrize("little_room", [small_disk, small_files])
def test_a_full_disk(tmp_path, little_room, kib):
    """Clips that find no room are said in one line; none is there in part, and small ones are."""
    noise_film(tmp_path / "film.mkv")
    frame_s = np.arange(20) / 25
    clips = [
        clip_of(frame_s, (0, n), crop=(64, 64, 120, 120), size=(128, 128), name=f"{n}.mp4")
        for n in (1, 3, 5, 8, 12, 20)
    ]
    folder = tmp_path / "small"
    folder.mkdir()
    with little_room(folder, max(1, kib) * 1024):
        results = render_clips(tmp_path / "film.mkv", clips, folder, PLAIN, jobs=1)
        failed = [r for r in results if r.error]
        assert failed
        for result in failed:
            assert "No space left on device" in result.error or "File too large" in result.error
            assert "\n" not in result.error
            assert not result.path.exists()
        for result in results:
            if not result.error:
                assert boxes_of(result.path)
                assert len(greys(result.path)) == result.frames
        assert not left_behind(folder)


def workers():
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if "facetrack.clips.render.worker" in process.cmdline():
                found.append(process)
    return found


class Killer(threading.Thread):
    """Kills (SIGKILL) each process that has the clip of this name in work, so many times."""

    def __init__(self, stem, times):
        super().__init__(daemon=True)
        self.stem, self.left, self.killed = stem, times, 0
        self._dead = set()
        self.over = threading.Event()

    def run(self):
        while self.left and not self.over.is_set():
            for worker in workers():
                if worker.pid in self._dead:
                    continue
                try:
                    files = [os.path.basename(f.path) for f in worker.open_files()]
                except psutil.Error:
                    continue
                if any(name.startswith(f".{self.stem}.") for name in files):
                    worker.kill()
                    self._dead.add(worker.pid)
                    self.left, self.killed = self.left - 1, self.killed + 1
                    break
            time.sleep(0.005)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def long_clips(tmp_path, count):
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    return [
        clip_of(TIMES, (i, i + 70), crop=(48, 32, 30, 30), size=(720, 720), name=f"{i}.mp4")
        for i in range(count)
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_process_costs_no_clip(tmp_path, jobs):
    clips = long_clips(tmp_path, 4)
    with Killer("1", times=1) as killer:
        results = render_clips(tmp_path / "film.mp4", clips, tmp_path, PLAIN, jobs=jobs)
    assert killer.killed == 1
    assert [r.error for r in results] == [None] * 4
    assert [len(greys(r.path)) for r in results] == [70] * 4
    assert not left_behind(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_clip_whose_process_is_killed_twice_fails_alone(tmp_path, jobs):
    clips = long_clips(tmp_path, 4)
    with Killer("1", times=2) as killer:
        results = render_clips(tmp_path / "film.mp4", clips, tmp_path, PLAIN, jobs=jobs)
    assert killer.killed == 2
    assert [r.error for r in results] == [
        None, "its process was killed by SIGKILL, twice", None, None,
    ]  # fmt: skip
    assert not results[1].path.exists()
    assert not left_behind(tmp_path)


def test_interrupted_in_the_middle(tmp_path):
    """No process goes on, and nothing half-written stays."""
    clips = long_clips(tmp_path, 6)

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_clips(tmp_path / "film.mp4", clips, tmp_path, PLAIN, jobs=2, on_clip=interrupt)
    assert not workers()
    assert not left_behind(tmp_path)
    whole = list(tmp_path.glob("[0-9].mp4"))
    assert 1 <= len(whole) < 6
    assert all(len(greys(path)) == 70 for path in whole)
