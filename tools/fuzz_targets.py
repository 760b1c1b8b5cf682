"""What is fuzzed: small good inputs of every kind that the program reads, and what reads them.

Each reader may refuse its input with an error of ours, which users see as one line, or with an
``OSError``. Any other error is a finding.
"""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import tomllib
from collections.abc import Callable, Collection, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
from PIL import Image

import facetrack
from facetrack import api
from facetrack.cli.config import as_toml, load_settings
from facetrack.cli.gallery_view import existing, export, remove, show
from facetrack.cli.people_view import show_json, show_people
from facetrack.clips.plan.target import targets_of
from facetrack.clips.render.decode_once import write_clips
from facetrack.clips.render.messages import ClipJob, RenderTask
from facetrack.core.errors import FacetrackError
from facetrack.core.settings import ClipSettings, DetectionSettings, Settings, TrackingSettings
from facetrack.evaluation.truth import read_truth
from facetrack.identity import editing
from facetrack.identity.folder import edit, undo
from facetrack.identity.gallery import Gallery, GalleryFace
from facetrack.identity.people_file import joined_in
from facetrack.identity.video_people import VideoPeople
from facetrack.media.codecs import Encoding, choose_encoder
from facetrack.media.images import ImageError, open_image
from facetrack.media.opening import create_media
from facetrack.media.sound import read_sound, sound_format
from facetrack.pipeline.engine import Engine
from facetrack.recognition.calibration import SFACE
from facetrack.recognition.embedder import CropSpec
from facetrack.recognition.recognizers import (
    NetworkInput,
    OnnxRecognizer,
    onnx_recognizer,
    write_recognizer,
)
from facetrack.testing import FakeDetector, FakeEmbedder, frame_with_squares
from facetrack.timeline import Analysis
from facetrack.timeline.history import History
from fuzz_mutations import damaged_bytes, damaged_npz, damaged_table, damaged_value, deep_json

WIDTH, HEIGHT, FRAMES, FPS = 128, 96, 16, 25
FILMS = {
    "film.mp4": ("libx264", "aac"),
    "film.mov": ("mpeg4", "pcm_s16le"),
    "film.mkv": ("libx264", "mp3"),
    "film.webm": ("libvpx", "libopus"),
    "film.avi": ("mpeg4", "mp3"),
    "film.ts": ("mpeg2video", "mp2"),
    "film.flv": ("flv", "mp3"),
}
"""Name of each good film: encoders of its frames and its sound."""
CLIPS = ClipSettings(target=("all",), size=64, min_length_s=0.1)
SETTINGS = Settings(
    detection=DetectionSettings(dense=True),
    tracking=TrackingSettings(min_frames=2, min_size=4.0, min_score=0.5),
    clips=CLIPS,
)
EXPORTS = ("csv", "webvtt", "mot", "coco", "fcpxml")
Reader = Callable[[Path], object]


def engine() -> Engine:
    """Networks that need no weights: every bright square is a face."""
    return Engine("fake", FakeDetector(), FakeEmbedder())


def make_samples(folder: Path, kinds: Collection[str]) -> None:
    """Writes the good inputs: one folder for each kind."""
    folder.mkdir()
    for kind in kinds:
        SAMPLES[kind](folder / kind)


def _make_films(folder: Path) -> None:
    folder.mkdir()
    for name, (video, audio) in FILMS.items():
        _make_film(folder / name, video, audio)


def _analysed(folder: Path) -> Analysis:
    """The analysis of a film that is made beside the folder."""
    film = folder.with_name("analysed.mp4")
    _make_film(film, *FILMS["film.mp4"])
    return api.analyze(film, SETTINGS, engine=engine())


def _make_result(folder: Path) -> None:
    """A result with clips, a report, an edit that can be undone, and ``people.json`` beside it."""
    analysis, out = _analysed(folder), folder / "out"
    analysis.save(out)
    api.render(analysis, out, CLIPS)
    edit(out, "name 1 Ada", lambda analysis: editing.named(analysis, 1, "Ada"))
    api.write_report(out)
    videos = [{"folder": "out", "source": "film.mp4"}]
    people = {"schema": "facetrack/people/1", "videos": videos, "people": []}
    (folder / "people.json").write_text(json.dumps(people))


def _make_settings(folder: Path) -> None:
    folder.mkdir()
    (folder / "facetrack.toml").write_text(as_toml(Settings()))
    (folder / "people.toml").write_text('Ada = 2\nBo = "bo.jpg"\n')


def _make_gallery(folder: Path) -> None:
    with Gallery(folder / GALLERY, make=True) as gallery:
        vectors = np.eye(128, dtype=np.float32)
        gallery.add(
            GalleryFace(name, "sface", "a.jpg", "2026-11-28", vector)
            for name, vector in zip(("Ada", "Bo", "Ada"), vectors, strict=False)
        )


def _make_photos(folder: Path) -> None:
    folder.mkdir()
    image = Image.fromarray(frame_with_squares(HEIGHT, WIDTH, [(20, 20, 60, 60)]).rgb())
    for suffix in ("jpg", "png", "webp", "bmp", "tiff", "gif"):
        image.save(folder / f"photo.{suffix}")


def _make_truth(folder: Path) -> None:
    analysis = _analysed(folder)
    facetrack.export(analysis, "csv", folder / "truth.csv")
    facetrack.export(analysis, "mot", folder / "truth.txt")
    pq.write_table(analysis.faces, folder / "truth.parquet")


def _make_recognizer(folder: Path) -> None:
    folder.mkdir()
    file = folder / "mine.onnx"
    file.write_bytes(b"weights")
    crop, numbers = CropSpec(112, aligned=True), NetworkInput(127.5, 128.0, False)
    write_recognizer(
        OnnxRecognizer(name="mine", crop=crop, dim=128, calibration=SFACE, file=file, input=numbers)
    )


SAMPLES: dict[str, Callable[[Path], None]] = {
    "film": _make_films,
    "result": _make_result,
    "settings": _make_settings,
    "gallery": _make_gallery,
    "photo": _make_photos,
    "truth": _make_truth,
    "recognizer": _make_recognizer,
}
"""Kind of input: what makes good ones."""


def damage(kind: str, folder: Path, chance: random.Random) -> str:
    """Damages one file of a copy of the good input; returns its path in the folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and "clips" not in p.parts)
    path = chance.choice(files)
    structured = _structured_damage(path, chance) if chance.random() < 0.6 else None
    path.write_bytes(damaged_bytes(path.read_bytes(), chance) if structured is None else structured)
    return path.relative_to(folder).as_posix()


def readers(kind: str, name: str) -> Iterator[Reader]:
    """What reads such an input; each is called with the folder of the input."""
    match kind:
        case "film":
            yield lambda folder: _film(folder / name, folder / "out")
        case "result":
            yield from RESULT_READERS
        case "settings":
            yield lambda folder: load_settings(folder / "facetrack.toml", {})
            yield lambda folder: targets_of(ClipSettings(people=folder / "people.toml"))
        case "gallery":
            yield from GALLERY_READERS
        case "photo":
            yield lambda folder: _photo(folder / name)
        case "truth":
            yield lambda folder: read_truth(folder / name)
        case "recognizer":
            yield lambda folder: onnx_recognizer(folder / "mine.onnx")


def refused(reader: Reader, folder: Path) -> bool:
    """Runs a reader with its output thrown away; whether it refused the input.

    Raises:
        Exception: a finding.
    """
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        try:
            reader(folder)
        except (FacetrackError, OSError):
            return True
    return False


def _structured_damage(path: Path, chance: random.Random) -> bytes | None:
    """Damage that the format's parser still reads; None: the format has none."""
    if path.suffix == ".json":
        if chance.random() < 0.05:
            return deep_json(chance).encode()
        return json.dumps(damaged_value(json.loads(path.read_text()), chance)).encode()
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return "".join(json.dumps(v) + "\n" for v in damaged_value(lines, chance) or []).encode()
    if path.suffix == ".toml":
        return _toml(damaged_value(tomllib.loads(path.read_text()), chance))
    if path.suffix == ".parquet":
        file = pa.BufferOutputStream()
        pq.write_table(damaged_table(pq.read_table(path), chance), file)
        return file.getvalue().to_pybytes()
    if path.suffix == ".npz":
        with np.load(path) as stored:
            return damaged_npz({name: stored[name] for name in stored.files}, chance)
    if path.suffix == ".sqlite":
        return _gallery(path, chance)
    return None


def _toml(value: Any) -> bytes:
    try:
        return tomli_w.dumps(value).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, AttributeError):  # TOML has no null, and no other top level
        return b"x = " + b"[" * 5000


def _gallery(path: Path, chance: random.Random) -> bytes:
    """The gallery after a statement that somebody else might have run."""
    odd = [None, 1, 1.5, "text", b"\xff", b"", b"\0" * 512, "x" * 100_000]
    statement = chance.choice((
        "UPDATE faces SET name = ?", "UPDATE faces SET embedding = ?", "UPDATE faces SET added = ?",
        "UPDATE faces SET evidence = ?", "UPDATE faces SET recognizer = ?", "DELETE FROM faces",
        "ALTER TABLE faces RENAME TO others", "ALTER TABLE faces DROP COLUMN photo",
        "CREATE TABLE others (a)", "CREATE INDEX one ON faces (name)", "PRAGMA user_version = 9",
        "CREATE TRIGGER t BEFORE DELETE ON faces BEGIN SELECT RAISE(FAIL, 'no'); END",
        "PRAGMA application_id = 1", "UPDATE faces SET photo = ? WHERE rowid = 1",
        "ALTER TABLE faces RENAME COLUMN added TO day", "DROP TABLE faces",
        "PRAGMA encoding = 'UTF-16le'",
    ))  # fmt: skip
    base = sqlite3.connect(path)
    with contextlib.suppress(sqlite3.Error), base:
        base.execute(statement, [chance.choice(odd)] * statement.count("?"))
    base.close()
    return path.read_bytes()


def _make_film(path: Path, video: str, audio: str) -> None:
    with create_media(path) as film:
        frames = film.add_stream(video, rate=FPS, options={"g": "8"})
        frames.width, frames.height, frames.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = film.add_stream(audio, rate=48000 if audio == "libopus" else 44100)
        rate = sound.rate
        for i in range(FRAMES):
            square = frame_with_squares(HEIGHT, WIDTH, [(20 + i, 20, 60 + i, 60)]).rgb()
            frame = av.VideoFrame.from_ndarray(square, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            film.mux(frames.encode(frame))
        tone = np.sin(np.arange(rate * FRAMES // FPS) * 0.05).astype(np.float32)[None]
        tone = tone if "mono" in str(sound.layout) else np.repeat(tone, 2, axis=0)
        piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone), "fltp", sound.layout.name)
        piece.sample_rate, piece.pts = rate, 0
        piece = av.AudioResampler(sound.format.name, sound.layout.name, rate).resample(piece)
        fifo = av.AudioFifo()
        for part in piece:
            part.pts = None
            fifo.write(part)
        while part := fifo.read(sound.codec_context.frame_size or 1024, partial=True):
            film.mux(sound.encode(part))
        film.mux([*frames.encode(None), *sound.encode(None)])


def _film(path: Path, out: Path) -> None:
    """The whole way: analysis, result, report, clips with sound."""
    analysis = api.analyze(path, SETTINGS, engine=engine())
    analysis.save(out)
    api.write_report(out)
    if (sound := sound_format(path)) is not None:
        read_sound(path, 0.0, 0.5, sound)
    clips = api.plan(analysis, CLIPS).clips[:1]
    jobs = tuple(
        ClipJob(i, clip, out / clip.path, (out / clip.path).with_suffix(".partial.mp4"), None, None)
        for i, clip in enumerate(clips)
    )
    if jobs:
        encoder = choose_encoder(Encoding("h264"))
        list(write_clips(RenderTask(path, jobs, encoder, None, None, 1 << 30)))
    shutil.rmtree(out)


def _photo(path: Path) -> None:
    with contextlib.suppress(ImageError):
        open_image(path)


def _loaded(read: Callable[[Analysis, Path], object]) -> Reader:
    return lambda folder: read(Analysis.load(folder / "out"), folder / "out")


RESULT_READERS: tuple[Reader, ...] = (
    _loaded(show_people),
    _loaded(show_json),
    _loaded(lambda analysis, _: VideoPeople.of(Path("out"), analysis)),
    _loaded(lambda analysis, _: api.plan(analysis, CLIPS)),
    _loaded(lambda analysis, out: api.plan(analysis, CLIPS, crops=out / "crops.parquet")),
    *(
        _loaded(lambda analysis, out, name=name: facetrack.export(analysis, name, out / "export"))
        for name in EXPORTS
    ),
    lambda folder: joined_in(folder / "out"),
    lambda folder: api.write_report(folder / "out"),
    lambda folder: History(folder / "out").steps(),
    lambda folder: edit(folder / "out", "name", lambda a: editing.named(a, 1, "Bo")),
    lambda folder: undo(folder / "out"),
    lambda folder: undo(folder / "out"),
)
GALLERY = "gallery.sqlite"
GALLERY_READERS: tuple[Reader, ...] = (
    lambda folder: show(folder / GALLERY),
    lambda folder: export(folder / GALLERY, folder / "all.json", None),
    lambda folder: _gallery_vectors(folder / GALLERY),
    lambda folder: remove(folder / GALLERY, "Ada"),
    lambda folder: existing(folder / GALLERY),
)


def _gallery_vectors(path: Path) -> None:
    with Gallery(path, make=True) as gallery:
        vector = np.eye(128, dtype=np.float32)[0]
        gallery.add([GalleryFace("Cy", "sface", "c.jpg", "2026-11-28", vector)])
        gallery.of_recognizer("sface", 128)
