"""Clips have the sound of their time, from every container; what is lost of it is said."""

import json
from dataclasses import replace

import av
import numpy as np
import pytest

import facetrack
from facetrack.clips.render.render import render_clips
from facetrack.core.types import StreamChoice
from facetrack.media.codecs import Encoding
from facetrack.timeline import Analysis
from made.clip_data import clip_of, sound
from made.command import facetrack as command
from made.ffmpeg_program import lag, played
from made.media import make_sound_film, make_streams, make_unknown

TIMES = np.arange(100) / 25
LOSSLESS = Encoding(codec="prores")
"""Its sound is PCM."""


@pytest.mark.parametrize(
    ("codec", "suffix", "video"),
    [("mp3", "avi", "mpeg4"), ("pcm_s16le", "avi", "mpeg4"), ("aac", "flv", "libx264")],
)
def test_a_clip_has_the_sound_of_its_time(tmp_path, codec, suffix, video):
    film = tmp_path / f"film.{suffix}"
    make_sound_film(film, codec, 4.0, 48000, "stereo", video)
    ranges = [(0, 40), (5, 30), (60, 100)]
    clips = [clip_of(TIMES, r, name=f"clips/a/{i}.mov") for i, r in enumerate(ranges)]
    results = render_clips(film, clips, tmp_path, LOSSLESS, jobs=1)
    expected = played(film, 48000, 2)
    for result, (first, end) in zip(results, ranges, strict=True):
        assert (result.error, result.sound_error) == (None, None)
        heard, rate = sound(result.path)
        heard = heard.reshape(-1, 2).T
        theirs = expected[:, first * 1920 : end * 1920]
        assert (rate, heard.shape[1]) == (48000, (end - first) * 1920)
        heard = heard[:, : theirs.shape[1]]
        assert lag(heard[0], theirs[0]) == 0
        assert np.corrcoef(heard[0], theirs[0])[0, 1] > 0.98


def test_clips_say_which_sound_they_lost(tmp_path):
    film = tmp_path / "film.mkv"
    make_sound_film(film, "flac", 4.0, 48000)
    with av.open(str(film)) as opened:
        bad = [p for p in opened.demux(audio=0) if p.size and 2.2 < p.pts * p.time_base < 3]
        places = [(p.pos, p.size) for p in bad]
    data = bytearray(film.read_bytes())
    for at, size in places:
        data[at + 30 : at + size] = np.random.default_rng(at).bytes(size - 30)
    film.write_bytes(data)
    clips = [clip_of(TIMES, r, name=f"clips/a/{r[0]}.mp4") for r in ((0, 40), (50, 90))]
    whole, lost = render_clips(film, clips, tmp_path, Encoding(), jobs=1)
    assert (whole.error, whole.sound_error, lost.error) == (None, None, None)
    assert lost.sound_error is not None and "audio stream 1 (flac, mono)" in lost.sound_error
    assert lost.samples == whole.samples


def test_an_analysis_remembers_its_streams(tmp_path):
    film = tmp_path / "film.mkv"
    make_streams(film, [(50, (64, 64), 1), (50, (96, 96), 0)], [(300, 1), (900, 0)])
    best = facetrack.analyze(film)
    assert (best.info.width, best.info.video_stream, best.info.audio_stream) == (64, 0, 2)
    assert not best.damaged
    asked = facetrack.analyze(film, video_stream=1, audio_stream=3)
    asked.save(tmp_path / "out")
    loaded = Analysis.load(tmp_path / "out")
    assert loaded == asked
    assert (loaded.info.width, loaded.info.streams) == (96, StreamChoice(1, 3, False))
    clip = clip_of(TIMES, (0, 40), crop=(48, 48, 40, 40), name="clips/a/a.mov")
    (made,) = render_clips(film, [clip], tmp_path, LOSSLESS, 1, streams=loaded.info.streams)
    heard, rate = sound(made.path)
    assert np.abs(np.fft.rfft(heard[0, :rate])).argmax() == 900
    timeline = tmp_path / "out" / "timeline.json"
    old = json.loads(timeline.read_text())
    unknown = ("video_stream", "audio_stream", "mirrored", "pixel_aspect", "hdr", "deinterlaced")
    for name in unknown:  # to older versions
        del old["source"][name]
    timeline.write_text(json.dumps(old))
    assert Analysis.load(tmp_path / "out").info.streams == (None, None, False)


@pytest.mark.parametrize("speech_only", [False, True])
def test_a_result_says_which_sound_its_clips_lost(demo_analysis, tmp_path, speech_only):
    """In the files of the result, and once for the film on standard error."""
    film = tmp_path / "film.mp4"
    data = bytearray(demo_analysis.info.path.read_bytes())
    with av.open(str(demo_analysis.info.path)) as opened:
        for packet in opened.demux(audio=0):
            if packet.size and 1 < packet.pts * packet.time_base < 4:
                random = np.random.default_rng(packet.pos).bytes(packet.size)
                data[packet.pos : packet.pos + packet.size] = random
    film.write_bytes(data)
    info = replace(demo_analysis.info, path=film, fingerprint=None)
    replace(demo_analysis, info=info).save(tmp_path / "out")
    asked = ["--target", "1", "--preset", "talking-head", "--size", "64", "--quiet"]
    asked += ["--speech-only"] if speech_only else []
    done = command("render", tmp_path / "out", *asked)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "audio stream 1" in line]
    if speech_only:
        assert len(said) in (1, 2) and "speech may be missed" in said[0]
        return
    (line,) = said
    assert "cannot be decoded" in line and "2 clips" in line
    renders = json.loads((tmp_path / "out" / "renders.json").read_text())
    clips = renders["renders"][0]["clips"]
    manifest = (tmp_path / "out" / "clips" / "manifest.jsonl").read_text().splitlines()
    for errors in (
        [clip["sound_error"] for clip in clips],
        [json.loads(line)["sound_error"] for line in manifest],
    ):
        assert len(errors) == 2 and errors[1] is None
        assert errors[0] is not None and "audio stream 1 (aac" in errors[0]


def test_clips_of_a_film_whose_sound_nothing_decodes(tmp_path):
    film = tmp_path / "film.mp4"
    make_streams(film, [(50, (96, 64), 1)], [(300, 1)])
    make_unknown(film)
    (made,) = render_clips(film, [clip_of(TIMES[:50], (0, 50))], tmp_path, Encoding(), 1)
    assert (made.error, made.samples, made.frames) == (None, 0, 50)
