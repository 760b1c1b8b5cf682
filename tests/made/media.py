"""Makes videos for the tests with libav: joins of real clips, and small synthetic ones."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from facetrack.media.priority import usual_priority

RATE = 48000


def join_with_hard_cuts(clips: Sequence[Path], out: Path, size: int = 512, fps: int = 25):
    """One mp4 of all clips with their sound; gives each one's first frame, and the end."""
    starts = [0]
    with av.open(str(out), "w") as film:
        video = film.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast"})
        video.width = video.height = size
        video.pix_fmt = "yuv420p"
        audio = film.add_stream("aac", rate=RATE, layout="mono")
        frames = samples = 0
        for clip in clips:
            with av.open(str(clip)) as source:
                for frame in source.decode(video=0):
                    shot = frame.reformat(size, size, "yuv420p")
                    shot.pts, shot.time_base = frames, Fraction(1, fps)
                    film.mux(video.encode(shot))
                    frames += 1
            starts.append(frames)
            wanted = frames * RATE // fps - samples
            sound = np.zeros((1, wanted), np.float32)
            with av.open(str(clip)) as source:
                resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
                parts = [p for f in source.decode(audio=0) for p in resampler.resample(f)]
                heard = np.concatenate([p.to_ndarray() for p in parts], axis=1)[:, :wanted]
                sound[:, : heard.shape[1]] = heard
            chunk = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts = RATE, samples
            samples += wanted
            film.mux(audio.encode(chunk))
        film.mux(video.encode(None))
        film.mux(audio.encode(None))
    return starts


def make_video(
    path: Path,
    frames: int = 30,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    beeps: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
):
    """Frame ``i`` is grey ``(i * 7) % 200 + 20``; with ``beeps`` frame 10 is white and
    its time is loud. ``pts`` in milliseconds for a variable frame rate, else 25 frames/s."""
    with usual_priority(), av.open(str(path), "w", options=container_options or {}) as film:
        video = film.add_stream(codec, rate=25, options=options or {})
        video.width, video.height = size
        video.pix_fmt = pix_fmt
        base = Fraction(1, 1000) if pts is not None else Fraction(1, 25)
        video.time_base = video.codec_context.time_base = base
        if beeps:
            audio = film.add_stream("aac", rate=RATE, layout="mono")
        for i in range(frames):
            grey = 255 if beeps and i == 10 else (i * 7) % 200 + 20 if not beeps else 40
            image = np.full((size[1], size[0], 3), grey, np.uint8)
            shot = av.VideoFrame.from_ndarray(image, format="rgb24")
            shot.pts = pts[i] if pts is not None else i
            shot.time_base = base
            film.mux(video.encode(shot))
        film.mux(video.encode(None))
        if beeps:
            sound = np.zeros((1, frames * RATE // 25), np.float32)
            at = np.arange(RATE // 25)
            sound[0, 10 * RATE // 25 :][: len(at)] = 0.8 * np.sin(at * 2 * np.pi * 1000 / RATE)
            chunk = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts = RATE, 0
            film.mux(audio.encode(chunk))
            film.mux(audio.encode(None))


def count_frames(path: Path) -> int:
    """What libav itself decodes."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def make_film(
    frames: Sequence[av.VideoFrame], path: Path, count: int, codec: str = "libx264", **options: str
):
    """Real frames, again and again."""
    with av.open(str(path), "w") as film:
        video = film.add_stream(codec, rate=25, options={"crf": "18", "bf": "2"} | options)
        video.width, video.height, video.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 25)
        for i in range(count):
            frame = frames[i % len(frames)]
            frame.pts, frame.time_base, frame.pict_type = i, Fraction(1, 25), 0
            film.mux(video.encode(frame))
        film.mux(video.encode(None))


def make_film_of_sizes(
    frames: Sequence[av.VideoFrame], path: Path, sizes: Sequence[tuple[int, int]], each: int
):
    """One stream whose frames get another width and height from a frame on, as broadcasts do."""
    with av.open(str(path), "w", format="mpegts") as film:
        video = film.add_stream("libx264", rate=25)
        (video.width, video.height), video.pix_fmt = sizes[0], "yuv420p"
        for i, (width, height) in enumerate(sizes):
            encoder = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, 25), 25
            encoder.options = {"crf": "18", "g": "50", "bf": "0"}
            images = [frame.reformat(width, height) for frame in frames[:each]]
            for j, shot in enumerate(images):
                shot.pts, shot.time_base = i * each + j, Fraction(1, 25)
                shot.pict_type = 0
            for shot in (*images, None):
                for packet in encoder.encode(shot):
                    packet.stream = video
                    film.mux(packet)


def make_sound_film(
    path: Path,
    codec: str,
    seconds: float = 12.0,
    rate: int = RATE,
    layout: str = "mono",
    video: str = "mpeg4",
    film_from_s: float = 0.0,
    sound_from_s: float = 0.0,
    container_options: dict[str, str] | None = None,
):
    """A grey film, and beside it noise whose every part differs from all others; no codec makes
    up noise of its own at these frequencies."""
    channels = 1 if layout == "mono" else 2
    noise = np.random.default_rng(3).normal(0, 1, (channels, round(seconds * rate)))
    noise = np.stack([np.convolve(one, np.hanning(34)[1:-1] / 16, "same") for one in noise])
    noise = np.clip(noise * 0.8, -1, 1).astype(np.float32)
    with usual_priority(), av.open(str(path), "w", options=container_options or {}) as film:
        images = film.add_stream(video, rate=25)
        images.width = images.height = 64
        images.pix_fmt = "yuv420p"
        images.gop_size = 50
        sound = film.add_stream(codec, rate=rate, layout=layout)
        fifo = av.AudioFifo()
        chunk = av.AudioFrame.from_ndarray(noise, format="fltp", layout=layout)
        chunk.sample_rate = rate
        resampler = av.AudioResampler(format=sound.format, layout=layout, rate=rate)
        for part in resampler.resample(chunk):
            part.pts = None
            fifo.write(part)
        step, written = sound.codec_context.frame_size or 1000, 0
        for i in range(round(seconds * 25)):
            image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 40 + i % 160, np.uint8))
            image = image.reformat(format="yuv420p")
            image.pts, image.time_base = i + round(film_from_s * 25), Fraction(1, 25)
            film.mux(images.encode(image))
            while written < (i + 1) / 25 * rate and (part := fifo.read(step, partial=True)):
                part.pts, part.time_base = written + round(sound_from_s * rate), Fraction(1, rate)
                written += part.samples
                step = sound.codec_context.frame_size or 1000
                film.mux(sound.encode(part))
        film.mux(images.encode(None))
        film.mux(sound.encode(None))


def make_streams(
    path: Path,
    films: Sequence[tuple[int, tuple[int, int], int]],
    tracks: Sequence[tuple[float, int]] = (),
    video: str = "libx264",
    audio: str = "aac",
):
    """Several streams in one file, videos first.

    Args:
        films: of each the number of frames (25 a second), width and height, and libav's marks
            (1: default, 1024: cover). Film ``i`` is grey ``60 + 50 * i``.
        tracks: of each the frequency in Hz of two seconds of sound, and libav's marks.
    """
    with usual_priority(), av.open(str(path), "w") as out:
        shown = []
        for count, size, marks in films:
            stream = out.add_stream(video, rate=25)
            (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
            stream.disposition = marks
            shown.append((stream, count))
        heard = []
        for hertz, marks in tracks:
            stream = out.add_stream(audio, rate=RATE, layout="mono")
            stream.disposition = marks
            heard.append((stream, hertz))
        packets = []
        for i, (stream, count) in enumerate(shown):
            image = np.full((stream.height, stream.width, 3), 60 + 50 * i, np.uint8)
            for at in range(count):
                frame = av.VideoFrame.from_ndarray(image).reformat(format="yuv420p")
                frame.pts, frame.time_base = at, Fraction(1, 25)
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for stream, hertz in heard:
            wave = 0.5 * np.sin(np.arange(2 * RATE) * 2 * np.pi * hertz / RATE)
            frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = RATE, 0
            packets += [*stream.encode(frame), *stream.encode(None)]
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            out.mux(packet)


def make_unknown(path: Path, track: int = 0):
    """Gives an AAC track of an MP4 or Matroska file a codec that nothing knows."""
    data = bytearray(path.read_bytes())
    mp4 = ((b"mp4a", b"apac"), (b"esds", b"dapa"))
    for old, new in mp4 if path.suffix == ".mp4" else ((b"A_AAC", b"A_XYZ"),):
        at = -1
        for _ in range(track + 1):
            at = data.index(old, at + 1)
        data[at : at + len(old)] = new
    path.write_bytes(data)
