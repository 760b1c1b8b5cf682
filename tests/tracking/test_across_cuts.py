"""Tracks go on across cuts that are none: the same face is at the same place."""

from dataclasses import replace
from pathlib import Path

import pytest

from facetrack.core.settings import TrackingSettings
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.testing import FakeTracker
from facetrack.tracking.speculative import SpeculativeTracker
from facetrack.tracking.tracker import SortTracker
from made.face_films import ByColour
from made.recorded_detections import MAX_CROPS, facts_of, read_detections

GOLDEN = Path(__file__).parent / "golden"
CUTS = (20, 23, 50)

every = pytest.mark.parametrize("tracker", [SortTracker, SpeculativeTracker, FakeTracker])


def tracks(tracker, detections, batch=16):
    made = tracker(TrackingSettings(), MAX_CROPS, FaceEmbedder(ByColour()))
    ended = [
        track
        for i in range(0, len(detections), batch)
        for group in made.update(detections[i : i + batch])
        for track in group
    ]
    return [(t.id, t.first_frame, t.last_frame) for t in ended + made.finish()]


def with_cuts(detections):
    return [d._replace(starts_shot=d.starts_shot or i in CUTS) for i, d in enumerate(detections)]


@pytest.fixture(scope="module")
def talking():
    return read_detections(GOLDEN / "single_face.npz")


@every
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_a_face_that_goes_on_across_a_false_cut_is_one_track(tracker, talking, batch):
    assert tracks(tracker, with_cuts(talking), batch) == tracks(tracker, talking)


@every
def test_another_face_at_the_same_place_is_another_track(tracker, talking):
    def another(one):
        known = one.faces.recognised
        return one._replace(
            faces=replace(one.faces, recognised=replace(known, embeddings=-known.embeddings))
        )

    changed = [another(d) if i >= CUTS[0] else d for i, d in enumerate(with_cuts(talking))]
    before, after = tracks(tracker, changed)
    assert before[2] == CUTS[0] - 1
    assert after[1] == CUTS[0]


@every
def test_the_same_face_at_another_place_is_another_track(tracker, talking):
    def moved(one):
        return one._replace(faces=replace(one.faces, boxes=one.faces.boxes + 200))

    changed = [moved(d) if i >= CUTS[0] else d for i, d in enumerate(with_cuts(talking))]
    before, after = tracks(tracker, changed)
    assert (before[2], after[1]) == (CUTS[0] - 1, CUTS[0])


@pytest.mark.parametrize("clip", ["crowd_1080p", "concert_cuts"])
def test_both_trackers_give_the_same_tracks_across_false_cuts(clip):
    detections = with_cuts(read_detections(GOLDEN / f"{clip}.npz"))
    facts = [
        facts_of(made(TrackingSettings(), MAX_CROPS, FaceEmbedder(ByColour())), detections, batch)
        for made, batch in ((SortTracker, 1), (SpeculativeTracker, 64))
    ]
    facts[0].assert_equal(facts[1])
