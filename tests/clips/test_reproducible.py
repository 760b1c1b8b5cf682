"""The same clips from the same frames, byte for byte, whatever the memory held before."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from av.video.frame import VideoFrame

from facetrack.media.planar import fill_padding, planes
from made.media import make_video

RENDERS = """
import sys
from pathlib import Path
import numpy as np
from facetrack.clips.render.render import render_clips
from facetrack.media.codecs import Encoding
from made.clip_data import clip_of
film, out, codec = sys.argv[1:4]
sizes = [tuple(map(int, size.split("x"))) for size in sys.argv[4:]]
suffix = ".mov" if codec == "prores" else ".mp4"
clips = [
    clip_of(np.arange(20) / 25, (0, 20), crop=crop, size=size, name=f"{i}_{n}{suffix}")
    for i, size in enumerate(sizes)
    for n, crop in enumerate([(48.0, 32.0, 40.0, 40.0), (47.3, 31.2, 50.5, 50.5)])
]
made = render_clips(Path(film), clips, Path(out), Encoding(codec=codec))
assert not (errors := [clip.error for clip in made if clip.error]), errors
"""
SIZES = {
    "h264": ("240x240", "360x360", "256x256", "720x720", "202x358"),
    "hevc": ("240x240", "202x358"),
    "av1": ("240x240", "202x358"),
    "prores": ("240x240", "202x358"),
}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_padding_is_filled_and_nothing_else(pix_fmt):
    frame = VideoFrame(202, 118, pix_fmt)
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 7
    before = [plane.copy() for plane in planes(frame)]
    fill_padding(frame)
    for plane, samples, old in zip(frame.planes, planes(frame), before, strict=True):
        assert (samples == old).all()
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        assert rows.shape[1] > plane.width * samples.itemsize
        assert not rows[:, plane.width * samples.itemsize :].any()


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc fills memory with a byte")
@pytest.mark.parametrize("codec", list(SIZES))
def test_whatever_memory_held(tmp_path, codec):
    make_video(tmp_path / "film.mp4", frames=20, beeps=True)
    found = set()
    for byte in ("0", "85", "170"):
        out = tmp_path / byte
        subprocess.run(
            [sys.executable, "-c", RENDERS, tmp_path / "film.mp4", out, codec, *SIZES[codec]],
            env={**os.environ, "MALLOC_PERTURB_": byte, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        found.add(tuple(hashlib.sha256(p.read_bytes()).digest() for p in sorted(out.iterdir())))
    (clips,) = found
    assert len(clips) == 2 * len(SIZES[codec])
