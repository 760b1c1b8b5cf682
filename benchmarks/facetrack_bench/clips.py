"""Compares rendering with the ``ffmpeg`` program: same ranges, crop, scale and x264 settings.

Both write the same clips with the same number of processes, taking turns in one run, and the frames
of both are compared. The program comes with the package ``imageio-ffmpeg``.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from facetrack.clips.plan.clip import Clip, Panel, Segment
from facetrack.clips.render.render import render_clips
from facetrack.core.errors import FacetrackError, UsageError
from facetrack.core.frame_range import FrameRange
from facetrack.media.codecs import Encoding
from facetrack.media.decode import PyavSource
from facetrack.media.encode import SOUND_BITS
from facetrack.media.opening import file_url, open_media
from facetrack_bench.measuring import Watch

SIZE = 512
CLIP_S = 10.0
CLIPS = 8
"""An even number, so that two processes get equal work. A video too short for them is looped
without encoding it again."""
CROP = 0.55
"""Side of the square crop as a part of the frame's shorter side."""
CRF = 20
ENCODING = Encoding(gpu=False)
"""The default quality of 75 is x264's crf 20."""
PROCESSES = (1, 2)
SAME_DB = 33.0
"""Two clips show the same frames when their peak signal-to-noise ratio is at least this. It is
finite because both are encoded and their scalers round differently."""

LEAST_ERROR = 255**2 / 1e10
"""Mean squared error of 100 dB, which stands for identical clips."""


@dataclass(frozen=True)
class _Work:
    """The clips of a film that both programs write."""

    film: Path
    clips: list[Clip]
    crop: tuple[int, int, int]
    """Left, top and side in pixels."""
    folder: Path

    def ours(self, processes: int) -> None:
        results = render_clips(self.film, self.clips, self.folder / "ours", ENCODING, processes)
        errors = [result.error for result in results if result.error]
        if errors:
            raise FacetrackError(f"{self.film.name}: {errors[0]}")

    def theirs(self, processes: int) -> None:
        (self.folder / "theirs").mkdir(exist_ok=True)
        with ThreadPoolExecutor(processes) as pool:
            list(pool.map(self._by_ffmpeg, self.clips))

    def theirs_bound(self, processes: int) -> None:
        """As ``theirs``, on as many cores as processes; unbound, ffmpeg decodes on another core."""
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(cores)[:processes])
        try:
            self.theirs(processes)
        finally:
            os.sched_setaffinity(0, cores)

    def psnr_db(self) -> float:
        """Peak signal-to-noise ratio of the luma between both programs' first clips.

        Raises:
            FacetrackError: when their numbers of frames differ.
        """
        ours, theirs = (
            _lumas(self.folder / writer / self.clips[0].path) for writer in ("ours", "theirs")
        )
        if len(ours) != len(theirs):
            raise FacetrackError(f"{len(ours)} frames, but ffmpeg has {len(theirs)}")
        error = np.square(np.array(ours, np.float32) - np.array(theirs, np.float32)).mean()
        return float(10 * np.log10(255**2 / max(error, LEAST_ERROR)))

    def _by_ffmpeg(self, clip: Clip) -> None:
        (frames,), (left, top, side) = clip.segment.ranges, self.crop
        channels = 2
        _ffmpeg(
            "-ss", f"{frames.start_s:.6f}", "-t", f"{frames.end_s - frames.start_s:.6f}",
            "-threads", "1", "-i", file_url(self.film), "-filter_threads", "1",
            "-vf", f"crop={side}:{side}:{left}:{top},scale={SIZE}:{SIZE}:flags=bicubic",
            "-c:v", "libx264", "-crf", str(CRF), "-preset", ENCODING.effort, "-threads", "1",
            "-c:a", "aac", "-b:a", str(SOUND_BITS * channels), "-movflags", "+faststart",
            str(self.folder / "theirs" / clip.path),
        )  # fmt: skip


def rendering(video: Path, repeat: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures frames per second of both programs, with one and two processes.

    Args:
        video: to cut clips from.
        repeat: runs of each program; the fastest counts.
        say: called with a line about what is being measured.

    Returns:
        One entry of ``render`` in ``bench.json``.

    Raises:
        UsageError: when ffmpeg is not installed.
        FacetrackError: when the clips of both show different frames.
    """
    with TemporaryDirectory(prefix="facetrack-bench-") as scratch:
        say(f"{video.name}: a film to cut clips from")
        work = _work_of(video, Path(scratch))
        frames = sum(len(clip.frames) for clip in work.clips)
        watch = Watch()
        rows = []
        for processes in PROCESSES:
            contenders = {"facetrack": work.ours, "ffmpeg": work.theirs}
            if hasattr(os, "sched_setaffinity"):
                contenders["ffmpeg_bound"] = work.theirs_bound
            runs: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
            for i in range(repeat):
                for name, run in contenders.items():
                    say(f"{video.name}: {name}, processes: {processes}, run {i + 1}")
                    runs[name].append(_timed(run, processes))
            rows.append(_row(processes, frames, runs))
        others_cores = watch.others_cores()
        psnr_db = work.psnr_db()
    if psnr_db < SAME_DB:
        raise FacetrackError(f"{video}: clips differ from those of ffmpeg: PSNR {psnr_db:.1f} dB")
    one, two = (row["facetrack"]["frames_per_second"] for row in rows)
    return {
        "video": str(video),
        "clips": len(work.clips),
        "frames": frames,
        "crop": work.crop[2],
        "size": SIZE,
        "likeness_db": round(psnr_db, 2),
        "rows": rows,
        "speed_up": round(two / one, 3),
        "others_cores": others_cores,
    }


def _timed(run: Callable[[int], None], processes: int) -> tuple[float, float]:
    """Wall seconds and CPU seconds of one run."""
    began, cpu_began = time.perf_counter(), sum(os.times()[:4])
    run(processes)
    return time.perf_counter() - began, sum(os.times()[:4]) - cpu_began


def _row(processes: int, frames: int, runs: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    row: dict[str, Any] = {"processes": processes}
    for name, timings in runs.items():
        seconds, cpu_seconds = min(timings)
        row[name] = {
            "seconds": [round(s, 3) for s, _ in timings],
            "frames_per_second": round(frames / seconds, 2),
            "cores": round(cpu_seconds / seconds, 2),
        }
    ours = row["facetrack"]["frames_per_second"]
    for name in runs.keys() - {"facetrack"}:
        row[name]["ratio"] = round(ours / row[name]["frames_per_second"], 3)
    return row


def _work_of(video: Path, folder: Path) -> _Work:
    film = folder / f"film{video.suffix}"
    with PyavSource(video) as source:
        frames = sum(1 for _ in source.frames())
        duration_s = frames / float(source.info().fps)
    again = int(CLIPS * CLIP_S / duration_s)
    _ffmpeg("-stream_loop", str(again), "-i", file_url(video), "-c", "copy", file_url(film))
    with PyavSource(film) as source:
        times = np.array([frame.time_s for frame in source.frames()])
        info = source.info()
    edges = np.append(times, info.duration_s)
    shorter = min(info.width, info.height)
    side = round(CROP * shorter) & ~1
    left, top = (info.width - side) // 2 & ~1, (info.height - side) // 2 & ~1
    cuts = np.searchsorted(times, np.arange(CLIPS + 1) * CLIP_S).tolist()
    crop = (left + side / 2, top + side / 2, side, side)
    clips = [
        _clip(number, a, b, edges, crop) for number, (a, b) in enumerate(pairwise(cuts), start=1)
    ]
    return _Work(film, clips, (left, top, side), folder)


def _clip(
    number: int, start: int, end: int, edges: np.ndarray[Any, Any], crop: Sequence[float]
) -> Clip:
    frames = np.arange(start, end, dtype=np.int32)
    crops, not_frozen = np.tile(crop, (len(frames), 1)), np.full(len(frames), np.nan)
    return Clip(
        Path(f"{number:04}.mp4"),
        Segment((1,), number, (FrameRange(start, end, float(edges[start]), float(edges[end])),)),
        (SIZE, SIZE),
        frames,
        edges[start:end],
        edges[start : end + 1] - edges[start],
        (Panel((0, 0, SIZE, SIZE), np.ones_like(frames), crops, not_frozen),),
    )


def _lumas(path: Path) -> list[np.ndarray[Any, Any]]:
    with open_media(path) as container:
        return [f.to_ndarray(format="gray") for f in container.decode(video=0)]


def _ffmpeg(*arguments: str) -> None:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UsageError(
            "bench --render needs the ffmpeg program: pip install imageio-ffmpeg"
        ) from error
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise FacetrackError(f"ffmpeg failed: {reason}")
