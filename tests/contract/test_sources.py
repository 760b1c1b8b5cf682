"""Films of every container and codec that libav can write, with frames out of order, edit lists,
late sound and picture, variable rates, turns and odd sizes: the analysis and clips have the frames,
times and sound that the ffmpeg program has."""

import re
from dataclasses import replace

import av
import numpy as np
import pytest

from facetrack.clips.render.decode_once import write_clips
from facetrack.clips.render.messages import ClipJob, RenderTask
from facetrack.media.codecs import Encoding, choose_encoder
from facetrack.media.sound import SoundFile, whole
from facetrack.media.source import open_source
from made.clip_data import clip_of, sound
from made.ffmpeg_program import ffmpeg, lag, played
from made.source_kinds import RATE, make_source, source_kinds

KINDS = source_kinds()
ON_GPU = [
    replace(kind, size=(320, 180))  # NVDEC decodes nothing much smaller
    for kind in KINDS
    if kind.suffix in ("mp4", "mkv") and kind.codec in ("h264", "hevc", "vp9", "av1")
    and kind.kind in ("plain", "B-frames", "an edit list", "late picture", "variable rate")
]  # fmt: skip
CLIP = (12, 30)
"""Frames of the clip."""
LEAST_LIKENESS = 0.8
"""Correlation of sound that is the same but for what codecs lose."""


def has_nvdec() -> bool:
    try:
        import PyNvVideoCodec  # noqa: F401
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


def shown_by_program(path):
    """``(n,)`` times in seconds from the start of the video stream, and mean greys."""
    text = ffmpeg(
        "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "demux",
        "-vf", "scale=out_range=tv,format=yuv420p,signalstats,metadata=print:file=-",
        "-f", "null", "-",
        "-map", "0:a?", "-c", "copy", "-f", "null", "-",  # so that the sound's start counts too
    ).decode()  # fmt: skip
    times = np.array([float(t) for t in re.findall(r"pts_time:(\S+)", text)])
    luma = np.array([float(y) for y in re.findall(r"signalstats.YAVG=(\S+)", text)])
    with av.open(str(path)) as film:
        video = film.streams.video[0]
        begin_s = float((video.start_time or 0) * video.time_base) - (film.start_time or 0) / 1e6
    return times - begin_s, (luma - 16) * 255 / 219


def analysed(path, device="cpu"):
    with open_source(path, device)[0] as source:
        frames = list(source.frames())
        assert not source.warnings
        info = source.info()
    return (
        info,
        np.array([f.time_s for f in frames]),
        np.array([f.image.rgb().mean() for f in frames]),
    )


def rendered(path, info, times_s, folder):
    """The clip of ``CLIP``, written in this process: the workers' own start takes longer."""
    size = (info.width, info.height)
    clip = clip_of(times_s, CLIP, crop=(size[0] / 2, size[1] / 2, *size), size=(64, 64))
    job = ClipJob(0, clip, folder / "clip.mp4", folder / "partial.mp4", None, None)
    encoder = choose_encoder(Encoding(effort="ultrafast", quality=90, gpu=False))
    (outcome,) = write_clips(
        RenderTask(path, (job,), encoder, None, None, 1 << 30, info.streams, info.clock)
    )
    assert (outcome.error, outcome.sound_error) == (None, None)
    with av.open(str(job.path)) as made:
        frames = list(made.decode(video=0))
    return job.path, frames


def check_same_sound(ours, expected):
    """Both ``(n,)``; the same noise at the same time."""
    count = min(len(ours), len(expected))
    ours, expected = ours[:count], expected[:count]
    assert lag(ours, expected) == 0
    alike = (ours * expected).sum() / np.sqrt((ours**2).sum() * (expected**2).sum())
    assert alike > LEAST_LIKENESS


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_frames_times_and_sound_are_those_of_the_program(kind, tmp_path):
    path = make_source(kind, tmp_path)
    expected_s, expected_grey = shown_by_program(path)
    info, times_s, greys = analysed(path)
    assert len(times_s) == len(expected_s) == info.frame_count
    assert (np.diff(times_s) > 0).all()
    falls = np.diff(expected_s, prepend=-1) <= 0  # a program stream may say a time twice
    sure = ~(falls | np.roll(falls, 1))
    assert sure.sum() >= len(sure) - 2
    np.testing.assert_allclose(times_s[sure], expected_s[sure], atol=0.001)
    np.testing.assert_allclose(greys, expected_grey, atol=4)

    clip, frames = rendered(path, info, times_s, tmp_path)
    shown = slice(*CLIP)
    shown_s = np.array([frame.time for frame in frames])
    np.testing.assert_allclose(shown_s, times_s[shown] - times_s[CLIP[0]], atol=0.001)
    found = [frame.to_ndarray(format="rgb24").mean() for frame in frames]
    np.testing.assert_allclose(found, expected_grey[shown], atol=5)

    assert info.has_audio == (kind.sound is not None)
    if info.has_audio:
        heard = played(path, RATE, 1)[0]
        with SoundFile(path, info.streams, info.clock.joins) as file:
            ours = whole(file, 0.0, float(times_s[-1]), (RATE, "mono"))[0]
        check_same_sound(ours, heard)
        begin, end = (round(times_s[i] * RATE) for i in CLIP)
        of_clip, rate = sound(clip)
        assert rate == RATE
        check_same_sound(of_clip[0], heard[begin:end])


@pytest.mark.skipif(not has_nvdec(), reason="no GPU with PyNvVideoCodec on this machine")
@pytest.mark.parametrize("kind", ON_GPU, ids=str)
def test_the_gpu_gives_the_same_frames_and_times(kind, tmp_path):
    path = make_source(kind, tmp_path)
    _, expected_s, expected_grey = analysed(path)
    _, times_s, greys = analysed(path, "cuda")
    np.testing.assert_allclose(times_s, expected_s, atol=0.001)
    np.testing.assert_allclose(greys, expected_grey, atol=3)
