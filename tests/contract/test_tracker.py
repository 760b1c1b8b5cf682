"""What every tracker must do, whichever way it does it."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Faces
from facetrack.detection.detector import FrameDetections
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.recognition.calibration import FACENET
from facetrack.recognition.embedder import CropSpec
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.testing import FakeTracker
from facetrack.tracking.speculative import SpeculativeTracker
from facetrack.tracking.tracker import SortTracker
from made.face_films import FILMS, ByColour
from made.recorded_detections import (
    MAX_CROPS,
    VARIANTS,
    TrackFacts,
    facts_of,
    read_detections,
    varied,
)

EXACT = {"sort": SortTracker, "speculative": SpeculativeTracker}
"""These give the golden tracks."""
ALL = {**EXACT, "fake": FakeTracker}
BATCHES = [1, 7, 64]

GOLDEN = Path(__file__).parents[1] / "tracking" / "golden"
CLIPS = sorted(path.stem for path in GOLDEN.glob("*.npz") if path.stem != "films")

recorded = cache(read_detections)

exact = pytest.mark.parametrize("tracker", EXACT.values(), ids=EXACT)
every = pytest.mark.parametrize("tracker", ALL.values(), ids=ALL)


class NoEmbedder:
    """Implements ``Embedder`` for faces whose embeddings are recorded: none is missing."""

    name, crop, dim, calibration = "none", CropSpec(112, True), 128, FACENET

    def embed(self, crops):
        raise AssertionError("a recorded embedding was not used")


def made(tracker, settings=None, embedder=None):
    return tracker(settings or TrackingSettings(), MAX_CROPS, FaceEmbedder(embedder or ByColour()))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("clip", CLIPS)
@exact
def test_golden_tracks_of_real_clips(tracker, clip, variant, batch):
    path = GOLDEN / f"{clip}.npz"
    detections = varied(recorded(path), variant)
    facts = facts_of(made(tracker, VARIANTS[variant], NoEmbedder()), detections, batch)
    facts.assert_equal(TrackFacts.read(path, variant))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", FILMS)
@exact
def test_golden_tracks_of_films(tracker, name, batch):
    """Their faces are embedded when the tracker asks; it asks for the same ones."""
    detections, settings = FILMS[name]
    embedder, path = ByColour(), GOLDEN / "films.npz"
    facts = facts_of(made(tracker, settings, embedder), detections, batch)
    facts.assert_equal(TrackFacts.read(path, name))
    with np.load(path) as data:
        expected = data[f"{name}/embedded"].tolist()
    assert [len(crops) // (160 * 160 * 3) for crops in embedder.embedded] == expected


def test_the_golden_tracks_have_what_a_tracker_must_decide():
    """Gaps are bridged, tracks end in another order than they began, appearance is asked for."""
    facts = TrackFacts.read(GOLDEN / "films.npz", "flicker")
    ids = facts.tracks[:, 0].tolist()
    assert len(facts.bridged) > 50 and sorted(ids) == [*range(1, len(ids) + 1)] != ids
    with np.load(GOLDEN / "films.npz") as data:
        assert len(data["flicker/embedded"]) > 10


@pytest.mark.parametrize("name", ["flicker", "trembling"])
@every
def test_the_size_of_batches_changes_nothing(tracker, name):
    detections, settings = FILMS[name]
    alone = facts_of(made(tracker, settings), detections, 1)
    for batch in (5, len(detections)):
        facts_of(made(tracker, settings), detections, batch).assert_equal(alone)


def detections_of(*boxes_of_frames, shots=(), colours=()):
    """Frames with these boxes; ``colours``: of the k-th box of every frame."""
    detections = []
    for i, boxes in enumerate(boxes_of_frames):
        corners = np.array(boxes, np.float32).reshape(-1, 4)
        sizes = corners[:, 2:] - corners[:, :2]
        places = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
        points = (corners[:, None, :2] + sizes[:, None] * places).astype(np.float32)
        scores = np.full(len(boxes), 0.99, np.float32)
        image = np.full((200, 400, 3), 128, np.uint8)
        for (x1, y1, x2, y2), colour in zip(boxes, colours, strict=False):
            image[y1:y2, x1:x2] = colour
        faces = Faces.of_one_source(corners, scores, points, corners, "detected")
        detections.append(FrameDetections(Frame(i, i / 25, RgbImage(image)), i in shots, faces))
    return detections


def box(x):
    return (x, 50, x + 40, 100)


def ranges_of(tracker, detections):
    """First and last frame of each track, by id; each has a row for every frame between."""
    ended = [track for group in tracker.update(detections) for track in group]
    tracks = sorted([*ended, *tracker.finish()], key=lambda track: track.id)
    assert [track.id for track in tracks] == [*range(1, tracker.started + 1)]
    for track in tracks:
        frames = [*range(track.first_frame, track.last_frame + 1)]
        assert track.rows["frame"].tolist() == frames
    return [(track.first_frame, track.last_frame) for track in tracks]


@every
def test_no_frames_and_no_faces_make_no_tracks(tracker):
    made_one = made(tracker)
    assert made_one.update([]) == []
    assert ranges_of(made_one, detections_of([], [], [])) == []


@every
def test_a_cut_ends_all_tracks(tracker):
    tracker = made(tracker)
    frames = detections_of(*[[box(50), box(250)]] * 10, shots={0, 6})
    (at_cut,) = tracker.update(frames)
    assert [(track.id, track.last_frame) for track in at_cut] == [(1, 5), (2, 5)]
    assert [(track.id, track.first_frame) for track in tracker.finish()] == [(3, 6), (4, 6)]


@pytest.mark.parametrize("max_gap", [0, 1, 4, 12])
@every
def test_gaps_are_bridged_up_to_max_gap(tracker, max_gap):
    settings = TrackingSettings(max_gap=max_gap)

    def ranges_with(gap):
        frames = detections_of(*[[box(100)]] * 2, *[[]] * gap, [box(100)])
        return ranges_of(made(tracker, settings), frames)

    assert ranges_with(max_gap) == [(0, max_gap + 2)]
    assert ranges_with(max_gap + 1) == [(0, 1), (max_gap + 3, max_gap + 3)]


@every
def test_bridged_rows_are_between_the_detections(tracker):
    frames = detections_of([box(100)], [], [], [], [box(108)])
    tracker = made(tracker)
    tracker.update(frames)
    (track,) = tracker.finish()
    assert track.rows["box"][:, 0].tolist() == [100, 102, 104, 106, 108]
    assert track.rows["bridged"].tolist() == [False, True, True, True, False]
    assert track.rows["source"].tolist() == ["detected", *["interpolated"] * 3, "detected"]
    np.testing.assert_allclose(track.rows["time_s"], np.arange(5) / 25)


@every
def test_a_track_ends_in_the_frame_that_is_too_late(tracker):
    """Whoever is told of ended tracks is told as soon as it is known."""
    tracker = made(tracker, TrackingSettings(max_gap=2))
    frames = detections_of([box(100)], [], [], [], [])
    assert [tracker.update([frame]) for frame in frames[:3]] == [[], [], []]
    ((track,),) = tracker.update([frames[3]])
    assert (track.id, track.last_frame) == (1, 0)
    assert tracker.update([frames[4]]) == [] == tracker.finish()


@pytest.mark.parametrize(("min_iou", "tracks"), [(0.3, 1), (0.6, 2)])
@every
def test_min_iou_is_needed_to_continue_a_track(tracker, min_iou, tracks):
    """The boxes overlap by a half."""
    frames = detections_of([box(100)], [box(113)])
    settings = TrackingSettings(min_iou=min_iou)
    assert len(ranges_of(made(tracker, settings), frames)) == tracks


@exact
def test_faces_that_cross_keep_their_tracks_by_their_motion(tracker):
    """They look the same, and are found in another order in every frame."""
    ways = [(50 + 8 * i, 290 - 8 * i) for i in range(30)]
    frames = detections_of(
        *[[box(x) for x in way[:: 1 - 2 * (i % 2)]] for i, way in enumerate(ways)]
    )
    tracker = made(tracker)
    tracker.update(frames)
    ends = {(float(t.rows["box"][0, 0]), float(t.rows["box"][-1, 0])) for t in tracker.finish()}
    assert ends == {(50, 282), (290, 58)}


@pytest.mark.parametrize("batch", BATCHES)
@exact
def test_faces_that_change_places_unseen_keep_their_tracks_by_appearance(tracker, batch):
    """Each comes back where the other one's box overlaps it more."""
    boxes = [*[[box(100), box(130)]] * 3, *[[]] * 5, *[[box(124), box(96)]] * 3]
    frames = detections_of(*boxes, colours=[(250, 20, 20), (20, 20, 250)])
    tracker = made(tracker, TrackingSettings(min_iou=0.05))
    for i in range(0, len(frames), batch):
        tracker.update(frames[i : i + batch])
    ways = [(track.rows["box"][0, 0], track.rows["box"][-1, 0]) for track in tracker.finish()]
    assert ways == [(100, 124), (130, 96)]


@every
def test_frames_are_released_after_each_call(tracker):
    """A kept crop holds its own pixels, not its frame's."""
    tracker = made(tracker)
    tracker.update(detections_of(*[[box(100)]] * 3))
    (track,) = tracker.finish()
    assert track.crops and all(crop.source is None for crop in track.crops.values())
