"""Each stage alone, on frames of the video, with nothing beside it.

The numbers do not add up to the whole analysis: there, stages run side by side, and the networks
see the few crops that the stages before them let through.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetrack.detection.mtcnn import Cascade, Networks, Parts
from facetrack.engines.openvino import (
    QUICK,
    TOGETHER,
    OpenVinoEngine,
    _QuickMtcnn,
    quick_precision,
)
from facetrack.media.decode import VideoSource
from facetrack.media.picture import Frame, Picture
from facetrack.pipeline.detectors import Judged, Seen, frame_detector
from facetrack.recognition.chips import face_chip, face_cut
from facetrack.settings import Settings
from facetrack.tracking.shots import Judgement, ShotDetector
from facetrack.tracking.tracker import Tracker
from facetrack.types import Float32

HELD_BYTES = 2**28
"""Of frames that are held for the stages after decoding."""
HELD_FRAMES = 128
KEY_PICTURES = 16
"""Evenly over the video, for the cascade and its networks."""
CHIPS = 64


class Recorded:
    """Implements the cascade's ``Networks`` by others; keeps what they were asked."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self.proposed: list[tuple[Sequence[Picture], tuple[tuple[int, int], ...]]] = []
        self.refined: list[tuple[Sequence[Picture], Parts]] = []
        self.decided: list[tuple[Sequence[Picture], Parts]] = []
        self.look = networks.look

    def propose(
        self, pictures: Sequence[Picture], sizes: tuple[tuple[int, int], ...]
    ) -> list[list[Float32]]:
        self.proposed.append((pictures, sizes))
        return self._networks.propose(pictures, sizes)

    def refine(self, pictures: Sequence[Picture], parts: Parts) -> tuple[Float32, Float32]:
        self.refined.append((pictures, parts))
        return self._networks.refine(pictures, parts)

    def decide(self, pictures: Sequence[Picture], parts: Parts) -> tuple[Float32, Float32, Float32]:
        self.decided.append((pictures, parts))
        return self._networks.decide(pictures, parts)


def stages_alone(video: Path, *, repeat: int) -> dict[str, Any]:
    """Facts of the video, and what each stage did in how many seconds, best of ``repeat``."""
    settings = Settings()
    engine = OpenVinoEngine(settings.detection, settings.identity)
    with VideoSource(video) as source:
        frames = sum(1 for _ in source.frames())
        source.require_frames()
        info = source.info()
    decode_s = min(_seconds(lambda: _drain(video)) for _ in range(repeat))
    held, keys = _some(video, frames, info.width * info.height)
    judged = [
        Judged(f, j.starts_shot or f is held[0], j.change)
        for f, j in zip(held, _judgements(held), strict=True)
    ]
    seen = _detected(engine, settings, judged)
    boxes = [(s.frame.picture, box) for s in seen for box in s.faces.boxes][:CHIPS]
    chips = [face_chip(face_cut(*at)) for at in boxes]

    def rated(unit: str, count: int, work: Callable[[], object]) -> dict[str, Any]:
        return _rate(unit, count, _best(repeat, work) if count else 0.0)

    return {
        "width": info.width,
        "height": info.height,
        "codec": info.video_codec,
        "fps": f"{info.fps.numerator}/{info.fps.denominator}",
        "frames": frames,
        "seconds": round(info.duration_s, 3),
        "stages": {
            "decode": _rate("frames", frames, decode_s),
            "shots": rated("frames", len(held), lambda: _judgements(held)),
            **_networks_alone(settings, keys, repeat),
            "cascade": rated("pictures", len(keys), lambda: list(engine.detect(keys))),
            "temporal": rated("frames", len(judged), lambda: _detected(engine, settings, judged)),
            "tracker": rated("frames", len(seen), lambda: _tracked(engine, settings, seen)),
            "chips": rated("chips", len(boxes), lambda: [face_chip(face_cut(*at)) for at in boxes]),
            "embedder": rated("chips", len(chips), lambda: engine.embed(np.stack(chips))),
        },
    }


def _networks_alone(
    settings: Settings, keys: Sequence[Picture], repeat: int
) -> dict[str, dict[str, Any]]:
    """P-, R- and O-Net, each on what the cascade asks of it for the key pictures."""
    networks = _QuickMtcnn(quick_precision())
    recorded = Recorded(networks)
    cascade = Cascade(recorded, settings.detection, QUICK)
    for i in range(0, len(keys), TOGETHER):
        cascade.detect(keys[i : i + TOGETHER])
    jobs: dict[str, tuple[str, int, Callable[[], object]]] = {
        "pnet": (
            "pictures",
            sum(len(pictures) for pictures, _ in recorded.proposed),
            lambda: [networks.propose(*asked) for asked in recorded.proposed],
        ),
        "rnet": (
            "rows",
            sum(len(parts.corners) for _, parts in recorded.refined),
            lambda: [networks.refine(*asked) for asked in recorded.refined],
        ),
        "onet": (
            "rows",
            sum(len(parts.corners) for _, parts in recorded.decided),
            lambda: [networks.decide(*asked) for asked in recorded.decided],
        ),
    }
    return {
        name: _rate(unit, count, _best(repeat, work) if count else 0.0)
        for name, (unit, count, work) in jobs.items()
    }


def _some(video: Path, frames: int, pixels: int) -> tuple[list[Frame], list[Picture]]:
    """The first frames, and key pictures from all over the video, each of one size."""
    most = max(2, min(HELD_FRAMES, HELD_BYTES * 2 // (pixels * 3)))
    wanted = max(2, min(KEY_PICTURES, HELD_BYTES // (pixels * 3)))
    places = set(np.linspace(0, frames - 1, wanted).astype(int).tolist())
    held: list[Frame] = []
    keys: list[Picture] = []
    with VideoSource(video) as source:
        for frame in source.frames():
            shape = held[0].picture.shape if held else frame.picture.shape
            if frame.picture.shape != shape:
                break
            if len(held) < most:
                held.append(frame)
            if frame.index in places:
                keys.append(frame.picture)
    return held, keys


def _drain(video: Path) -> None:
    with VideoSource(video) as source:
        for _ in source.frames():
            pass


def _judgements(frames: Sequence[Frame]) -> list[Judgement]:
    shots = ShotDetector()
    judgements = [shots.push(frame.picture) for frame in frames]
    return [*(j for j in judgements if j is not None), *shots.flush()]


def _detected(engine: OpenVinoEngine, settings: Settings, judged: Sequence[Judged]) -> list[Seen]:
    detector = frame_detector(engine, settings.detection)
    for one in judged:
        detector.push(one)
    return list(detector.detect(last=True))


def _tracked(engine: OpenVinoEngine, settings: Settings, seen: Sequence[Seen]) -> None:
    tracker = Tracker(settings.tracking, settings.identity.faces_per_track, engine.embed)
    for one in seen:
        tracker.update(one.frame, one.faces, one.starts_shot)
    tracker.finish()


def _rate(unit: str, count: int, seconds: float) -> dict[str, Any]:
    return {
        "unit": unit,
        "count": count,
        "seconds": round(seconds, 5),
        "per_second": round(count / seconds, 2) if count else None,
    }


def _best(repeat: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of ``repeat`` runs after one that makes ready."""
    work()
    return min(_seconds(work) for _ in range(repeat))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
