"""Detections of real clips, recorded without their pixels, and the tracks that were made of them.

A file holds what a tracker looks at: boxes, landmarks, scores and embeddings of the faces of each
frame, and the frame's 36x64 coarse image (in steps of 32, to be small). Tracks are compared by
their facts: which track each face belongs to, in which order tracks ended, and which crops they
keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Faces, Image, Recognised
from facetrack.detection.detector import FrameDetections
from facetrack.media.frame_image import COARSE, Frame, RgbImage
from facetrack.tracking.tracks import Track

SOURCES = ["detected", "refined", "interpolated"]
COARSE_STEP = 32
MAX_CROPS = 4

VARIANTS = {
    "as recorded": TrackingSettings(),
    "every third frame": TrackingSettings(max_gap=6),
    "faces missed": TrackingSettings(max_gap=4, min_iou=0.2),
    "no gaps": TrackingSettings(max_gap=0, min_iou=0.5),
}
"""How the clip is given to the tracker, and with which settings."""


class RecordedImage(RgbImage):
    """A black frame whose coarse image is the recorded one."""

    def __init__(self, black: Image, coarse: Image) -> None:
        super().__init__(black)
        self._recorded = coarse

    def coarse(self) -> Image:
        return self._recorded


class AnyTracker(Protocol):
    """As ``facetrack.tracking.protocol.Tracker``."""

    def update(self, detections: Sequence[FrameDetections]) -> list[list[Track]]: ...

    def finish(self) -> list[Track]: ...


def read_detections(path: Path) -> list[FrameDetections]:
    """The frames of a recorded clip."""
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files if "/" not in name}
    black = np.zeros((*arrays["shape"].tolist(), 3), np.uint8)
    coarse = arrays["coarse"].cumsum(axis=0, dtype=np.uint8) * np.uint8(COARSE_STEP)
    coarse = coarse.reshape(-1, *COARSE, 3)
    vectors = arrays["embeddings"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ends = np.cumsum([0, *arrays["counts"].tolist()])
    detections = []
    for i, (a, b) in enumerate(pairwise(ends)):
        faces = Faces(
            arrays["boxes"][a:b],
            arrays["scores"][a:b],
            arrays["landmarks"][a:b],
            arrays["boxes"][a:b],
            np.array(SOURCES, "<U12")[arrays["sources"][a:b]],
            Recognised(vectors[a:b], arrays["sharpness"][a:b]),
        )
        image = RecordedImage(black, coarse[i])
        frame = Frame(i, float(arrays["times_s"][i]), image)
        detections.append(FrameDetections(frame, bool(arrays["starts_shot"][i]), faces))
    return detections


def varied(detections: Sequence[FrameDetections], variant: str) -> list[FrameDetections]:
    """The frames as ``VARIANTS`` names them."""
    if variant == "every third frame":
        # Back again after the end, so that it is long enough; faces move farther between frames.
        taken = [*detections[::3], *detections[::-3]]
        starts = [one.starts_shot and i < len(taken) // 2 for i, one in enumerate(taken)]
        return [
            FrameDetections(Frame(i, i / 10, one.frame.image), start, one.faces)
            for i, (one, start) in enumerate(zip(taken, starts, strict=True))
        ]
    if variant == "faces missed":
        return [
            one._replace(faces=one.faces.pick(_kept(one.frame.index, len(one.faces))))
            for one in detections
        ]
    return list(detections)


def _kept(frame: int, faces: int) -> NDArray[np.intp]:
    """Positions of the faces that are not missed; in another order in each frame."""
    order = [(k + frame) % faces for k in range(faces)]
    return np.array([k for k in order if (31 * (frame // 3) + 17 * k) % 10 >= 3], np.intp)


@dataclass(frozen=True)
class TrackFacts:
    """Tracks as arrays, to be compared and stored."""

    tracks: NDArray[np.int32]
    """``(t, 4)`` id, first and last frame, and number of the group in which it ended; in order."""
    rows: NDArray[np.int32]
    """``(n, 3)`` track, frame, and position of the face among those of its frame; -1: bridged."""
    bridged: NDArray[np.float32]
    """``(b, 15)`` box, landmarks and score of the bridged rows."""
    crops: NDArray[np.int32]
    """``(c, 4)`` track, part between breaks, moment and frame of each crop kept, in order."""
    poses: NDArray[np.float32]
    """``(c,)`` of these crops."""
    breaks: NDArray[np.int32]
    """``(k, 2)`` track, frame."""

    @classmethod
    def read(cls, path: Path, variant: str) -> "TrackFacts":
        """What is stored for a variant."""
        with np.load(path) as data:
            return cls(**{name: data[f"{variant}/{name}"] for name in cls.__dataclass_fields__})

    def arrays(self, variant: str) -> dict[str, NDArray[np.generic]]:
        """As they are stored."""
        return {f"{variant}/{name}": getattr(self, name) for name in self.__dataclass_fields__}

    def assert_equal(self, other: "TrackFacts") -> None:
        """Bit for bit; poses are computed, so that their last bit is the processor's."""
        for name in self.__dataclass_fields__:
            ours, theirs = getattr(self, name), getattr(other, name)
            if name == "poses":
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=name)
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=name)


def facts_of(tracker: AnyTracker, detections: Sequence[FrameDetections], batch: int) -> TrackFacts:
    """What the tracker makes of frames that come ``batch`` at a time."""
    by_group: list[list[Track]] = []
    for start in range(0, len(detections), batch):
        by_group += tracker.update(detections[start : start + batch])
    by_group.append(tracker.finish())
    every = [(group, track) for group, tracks in enumerate(by_group) for track in tracks]
    positions = {one.frame.index: one.faces for one in detections}
    rows, bridged = [], []
    for _, track in every:
        for row in track.rows:
            rows.append((track.id, int(row["frame"]), _position(row, positions)))
            if row["bridged"]:
                bridged.append([*row["box"], *row["landmarks"].reshape(-1), row["score"]])
    crops = [(track.id, *slot, crop) for _, track in every for slot, crop in track.crops.items()]
    return TrackFacts(
        _table([(t.id, t.first_frame, t.last_frame, group) for group, t in every], 4),
        _table(rows, 3),
        np.array(bridged, np.float32).reshape(-1, 15),
        _table([(id, part, moment, crop.frame) for id, part, moment, crop in crops], 4),
        np.array([crop.pose for *_, crop in crops], np.float32),
        _table([(track.id, frame) for _, track in every for frame in track.breaks], 2),
    )


def _position(row: np.void, faces_of: dict[int, Faces]) -> int:
    if row["bridged"]:
        return -1
    faces = faces_of[int(row["frame"])]
    (found,) = np.flatnonzero((faces.boxes == row["box"]).all(axis=1))[:1].tolist()
    assert (faces.landmarks[found] == row["landmarks"]).all()
    assert (faces.scores[found], faces.sources[found]) == (row["score"], row["source"])
    return int(found)


def _table(rows: Sequence[Sequence[int]], columns: int) -> NDArray[np.int32]:
    return np.array(rows, np.int32).reshape(-1, columns)
