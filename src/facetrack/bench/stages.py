"""Each stage alone, on frames of the video, with nothing beside it.

The numbers do not add up to the whole analysis: there, stages run side by side, and the networks
see the few crops that the stages before them let through.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetrack.bench.timing import best_of, rate, seconds_of
from facetrack.core.settings import DetectionSettings, Settings
from facetrack.detection.frame_detections import FrameDetections
from facetrack.detection.temporal.frame_detectors import Judged, frame_detector
from facetrack.media.frame_image import Frame, FrameImage
from facetrack.media.source import open_source
from facetrack.pipeline.engine import Engine
from facetrack.pipeline.engine_opening import open_engine
from facetrack.recognition.crops import crop_of
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.shots import ShotDecision, ShotDetector
from facetrack.tracking.tracker import Tracker


class Amounts(NamedTuple):
    """How much the stages after decoding are given."""

    frames: int
    bytes: int
    """Of frames that are held."""
    images: int
    """Evenly over the video, for the cascade and its networks."""
    crops: int


AMOUNTS = {"cpu": Amounts(128, 2**28, 16, 64), "torch-cpu": Amounts(64, 2**28, 8, 64)}
ON_GPU = Amounts(1024, 2**33, 512, 2048)


def settings_for(device: str) -> Settings:
    """Key frames on the CPU; a GPU looks at every frame."""
    return Settings(detection=DetectionSettings(device=device, dense=device != "cpu"))


def stages_alone(video: Path, *, repeat: int, device: str) -> dict[str, Any]:
    """Facts of the video, and what each stage did in how many seconds, best of ``repeat``."""
    settings = settings_for(device)
    engine = open_engine(settings.detection, settings.identity)
    amounts = AMOUNTS.get(device, ON_GPU)
    with open_source(video, device)[0] as source:
        frames = sum(1 for _ in source.frames())
        info = source.info()
    decode_s = min(seconds_of(lambda: _drain(video, device)) for _ in range(repeat))
    held, keys = _some(video, device, amounts, frames, info.width * info.height)
    judged = [
        Judged(f, j.starts_shot or f is held[0], j.change)
        for f, j in zip(held, _decisions(held), strict=True)
    ]
    seen = _detected(engine, settings, judged)
    every = [(s.frame.image, s.faces, i) for s in seen for i in range(len(s.faces))]
    chosen, spec = every[: amounts.crops], engine.embedder.crop
    crops = [crop_of(*face, spec) for face in chosen]

    def rated(unit: str, count: int, work: Callable[[], object]) -> dict[str, Any]:
        return rate(unit, count, best_of(repeat, work) if count else 0.0)

    return {
        "width": info.width,
        "height": info.height,
        "codec": info.video_codec,
        "fps": f"{info.fps.numerator}/{info.fps.denominator}",
        "frames": frames,
        "seconds": round(info.duration_s, 3),
        "stages": {
            "decode": rate("frames", frames, decode_s),
            "shots": rated("frames", len(held), lambda: _decisions(held)),
            **_networks_alone(engine, settings, keys, repeat),
            "cascade": rated("pictures", len(keys), lambda: list(engine.detector.detect(keys))),
            "temporal": rated("frames", len(judged), lambda: _detected(engine, settings, judged)),
            "tracker": rated("frames", len(seen), lambda: _tracked(engine, settings, seen)),
            "crops": rated("crops", len(chosen), lambda: [crop_of(*face, spec) for face in chosen]),
            "embedder": rated("crops", len(crops), lambda: engine.embedder.embed(np.stack(crops))),
        },
    }


def _networks_alone(
    engine: Engine, settings: Settings, keys: Sequence[FrameImage], repeat: int
) -> dict[str, dict[str, Any]]:
    """Each of the three networks, as the engine has them."""
    if settings.detection.device == "cpu":
        from facetrack.bench import openvino_stages

        return openvino_stages.networks_alone(settings, keys, repeat)
    from facetrack.bench import torch_stages
    from facetrack.detection.mtcnn.cuda.detector import TorchMtcnnDetector

    if not isinstance(engine.detector, TorchMtcnnDetector):
        return {}
    return torch_stages.networks_alone(engine.detector, keys, repeat)


def _some(
    video: Path, device: str, amounts: Amounts, frames: int, pixels: int
) -> tuple[list[Frame], list[FrameImage]]:
    """The first frames, and key frames from all over the video, each of one size."""
    most = max(2, min(amounts.frames, amounts.bytes * 2 // (pixels * 3)))
    wanted = max(2, min(amounts.images, amounts.bytes // (pixels * 3)))
    places = set(np.linspace(0, frames - 1, wanted).astype(int).tolist())
    held: list[Frame] = []
    keys: list[FrameImage] = []
    with open_source(video, device)[0] as source:
        for frame in source.frames():
            shape = held[0].image.shape if held else frame.image.shape
            if frame.image.shape != shape:
                break
            if len(held) < most:
                held.append(frame)
            if frame.index in places:
                keys.append(frame.image)
    return held, keys


def _drain(video: Path, device: str) -> None:
    with open_source(video, device)[0] as source:
        for _ in source.frames():
            pass


def _decisions(frames: Sequence[Frame]) -> list[ShotDecision]:
    shots = ShotDetector()
    return [*shots.push(frames), *shots.flush()]


def _detected(
    engine: Engine, settings: Settings, judged: Sequence[Judged]
) -> list[FrameDetections]:
    detector = frame_detector(engine.detector, settings.detection)
    for one in judged:
        detector.push(one)
    return list(detector.detect(last=True))


def _tracked(engine: Engine, settings: Settings, seen: Sequence[FrameDetections]) -> None:
    tracker = Tracker(
        settings.tracking, settings.identity.faces_per_track, FaceEmbedder(engine.embedder)
    )
    tracker.update(seen)
    tracker.finish()
