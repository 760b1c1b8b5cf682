"""What every tracker must do, whichever way it does it."""

from pathlib import Path

import numpy as np
import pytest

from facetrack.recognition.calibration import FACENET
from facetrack.recognition.embedder import CropSpec
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.tracker import Tracker
from made.face_films import FILMS, ByColour
from made.recorded_detections import (
    MAX_CROPS,
    VARIANTS,
    TrackFacts,
    facts_of,
    read_detections,
    varied,
)

GOLDEN = Path(__file__).parents[1] / "tracking" / "golden"
CLIPS = sorted(path.stem for path in GOLDEN.glob("*.npz") if path.stem != "films")


class NoEmbedder:
    """Implements ``Embedder`` for faces whose embeddings are recorded: none is missing."""

    name, crop, dim, calibration = "none", CropSpec(112, True), 128, FACENET

    def embed(self, crops):
        raise AssertionError("a recorded embedding was not used")


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("clip", CLIPS)
def test_golden_tracks_of_real_clips(clip, variant, batch):
    path = GOLDEN / f"{clip}.npz"
    detections = varied(read_detections(path), variant)
    tracker = Tracker(VARIANTS[variant], MAX_CROPS, FaceEmbedder(NoEmbedder()))
    facts_of(tracker, detections, batch).assert_equal(TrackFacts.read(path, variant))


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("name", FILMS)
def test_golden_tracks_of_films(name, batch):
    """Their faces are embedded when the tracker asks; it asks for the same ones."""
    detections, settings = FILMS[name]
    embedder = ByColour()
    tracker = Tracker(settings, MAX_CROPS, FaceEmbedder(embedder))
    path = GOLDEN / "films.npz"
    facts_of(tracker, detections, batch).assert_equal(TrackFacts.read(path, name))
    with np.load(path) as data:
        expected = data[f"{name}/embedded"].tolist()
    assert [len(crops) // (160 * 160 * 3) for crops in embedder.embedded] == expected
