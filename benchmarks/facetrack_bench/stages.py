"""Times each stage of the analysis alone, on frames of the video.

The times do not add up to the time of the whole analysis. There the stages run at the same time,
and each network sees only the crops that the stages before it let through.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetrack.core.settings import Settings, settings_from
from facetrack.detection.detector import FrameDetections
from facetrack.detection.temporal.frame_detectors import ShotFrame, frame_detector
from facetrack.media.frame_image import Frame, FrameImage
from facetrack.media.source import open_source
from facetrack.pipeline.engine import Engine, open_engine
from facetrack.pipeline.face_analyzer import tracker_for
from facetrack.recognition.crops import crop_of
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.shots import ShotDecision, ShotDetector
from facetrack_bench.measuring import best_of, rate, seconds_of
from facetrack_bench.mtcnn_stages import openvino_networks_alone, torch_networks_alone


class Amounts(NamedTuple):
    """How much work the stages after decoding get."""

    frames: int
    """Maximum number of frames, from the start of the video."""
    bytes: int
    """Maximum size of the key frames as RGB; the frames above may take twice as much."""
    images: int
    """Maximum number of key frames, evenly over the video, for the detector and its networks."""
    crops: int
    """Maximum number of face crops, for cropping and embedding."""


AMOUNTS = {"cpu": Amounts(128, 2**28, 16, 64), "torch-cpu": Amounts(64, 2**28, 8, 64)}
ON_GPU = Amounts(1024, 2**33, 512, 2048)


def settings_for(device: str) -> Settings:
    """The default settings of a device: key frames on the CPU, every frame on other devices."""
    return settings_from({"detection": {"device": device, "dense": device != "cpu"}})


def stages_alone(video: Path, *, repeat: int, device: str) -> dict[str, Any]:
    """Describes the video and times each stage, best of ``repeat``, as in ``bench.json``."""
    settings = settings_for(device)
    engine = open_engine(settings.detection, settings.identity)
    amounts = AMOUNTS.get(device, ON_GPU)
    with open_source(video, device)[0] as source:
        frames = sum(1 for _ in source.frames())
        info = source.info()
    decode_s = min(seconds_of(lambda: _drain(video, device)) for _ in range(repeat))
    held, keys = _some(video, device, amounts, frames, info.width * info.height)
    judged = [
        ShotFrame(frame, shot.starts_shot or frame is held[0], shot.change)
        for frame, shot in zip(held, _decisions(held), strict=True)
    ]
    detections = _detected(engine, settings, judged)
    every = [(d.frame.image, d.faces, i) for d in detections for i in range(len(d.faces))]
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
            "cascade": rated("images", len(keys), lambda: list(engine.detector.detect(keys))),
            "temporal": rated("frames", len(judged), lambda: _detected(engine, settings, judged)),
            "tracker": rated(
                "frames", len(detections), lambda: _tracked(engine, settings, detections)
            ),
            "crops": rated("crops", len(chosen), lambda: [crop_of(*face, spec) for face in chosen]),
            "embedder": rated("crops", len(crops), lambda: engine.embedder.embed(np.stack(crops))),
        },
    }


def _networks_alone(
    engine: Engine, settings: Settings, keys: Sequence[FrameImage], repeat: int
) -> dict[str, dict[str, Any]]:
    """MTCNN's three networks on the engine's device; none where it runs another detector."""
    if settings.detection.device == "cpu":
        return openvino_networks_alone(settings, keys, repeat)
    from facetrack.detection.mtcnn.cuda.detector import TorchMtcnnDetector

    if not isinstance(engine.detector, TorchMtcnnDetector):
        return {}
    return torch_networks_alone(engine.detector, keys, repeat)


def _some(
    video: Path, device: str, amounts: Amounts, frames: int, pixels: int
) -> tuple[list[Frame], list[FrameImage]]:
    """The first frames, and key frames from all over the video.

    Stops where the size of the frames changes.
    """
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
    engine: Engine, settings: Settings, judged: Sequence[ShotFrame]
) -> list[FrameDetections]:
    detector = frame_detector(engine.detector, settings.detection)
    for frame in judged:
        detector.push(frame)
    return list(detector.detect(last=True))


def _tracked(engine: Engine, settings: Settings, detections: Sequence[FrameDetections]) -> None:
    tracker = tracker_for(engine, settings, FaceEmbedder(engine.embedder))
    tracker.update(detections)
    tracker.finish()
