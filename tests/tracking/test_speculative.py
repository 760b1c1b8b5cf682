"""The steps of the speculative tracker. That its tracks are right is in ``tests/contract``."""

import numpy as np
import pytest

from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking import speculative
from facetrack.tracking.motion import Motion
from facetrack.tracking.speculative import SpeculativeTracker
from facetrack.tracking.speculative_steps import MAX_FRAMES, MotionHistory, OverlapProposal
from made.face_films import FILMS, ByColour
from made.recorded_detections import MAX_CROPS, facts_of


@pytest.mark.parametrize("name", ["steady", "flicker"])
def test_a_wrong_proposal_changes_nothing(name, monkeypatch):
    class Wrong(OverlapProposal):
        """Takes every third frame's faces for new ones."""

        def next(self, frame, boxes, previous):
            return super().next(frame, boxes, previous if frame % 3 else [-1] * len(previous))

        def _found(self, frame, box):
            return self._begin()

    detections, settings = FILMS[name]

    def tracks():
        tracker = SpeculativeTracker(settings, MAX_CROPS, FaceEmbedder(ByColour()))
        return facts_of(tracker, detections, 128)

    right = tracks()
    monkeypatch.setattr(speculative, "OverlapProposal", Wrong)
    tracks().assert_equal(right)


def test_the_motion_history_is_the_motion_from_frame_to_frame():
    """To the last bit."""
    random = np.random.default_rng(1)
    opened, new = 4, 3
    tracks = opened + new
    boxes = random.uniform(0, 2000, (MAX_FRAMES, tracks, 4)).astype(np.float32)
    boxes[:, 0] = boxes[0, 0]  # stands still
    detected = random.random((MAX_FRAMES, tracks)) < 0.7
    detected[:9, opened:] = False
    detected[9, opened:] = True  # so that they are numbered in the order in which they begin
    start = Motion(
        np.array([99, 97, 99, 90]),
        random.uniform(0, 2000, (opened, 4)).astype(np.float32),
        random.normal(0, 5, (opened, 4)).astype(np.float32),
    )
    motion = Motion(start.frames.copy(), start.boxes.copy(), start.velocities.copy())
    frames = np.arange(100, 100 + MAX_FRAMES)
    history = MotionHistory(start, frames, *detected.nonzero(), boxes[detected])
    for i, frame in enumerate(frames.tolist()):
        count = len(motion.frames)
        np.testing.assert_array_equal(history.predicted[i, :count], motion.predicted(frame))
        np.testing.assert_array_equal(history.lost[i, :count], motion.frames_lost(frame))
        continued = np.flatnonzero(detected[i, :count])
        motion.correct(frame, continued, boxes[i, continued])
        motion.add(frame, boxes[i, count:][detected[i, count:]])
        np.testing.assert_array_equal(history.begun[i + 1], np.arange(tracks) < len(motion.frames))
    after = history.after(MAX_FRAMES, np.ones(tracks, bool))
    np.testing.assert_array_equal(after.frames, motion.frames)
    np.testing.assert_array_equal(after.boxes, motion.boxes)
    np.testing.assert_array_equal(after.velocities, motion.velocities)
