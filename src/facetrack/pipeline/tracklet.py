"""A tracklet: a track inside one chunk, without pixels; tracks of the film are joined from them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facetrack.recognition.embedded_face import KeptFace
from facetrack.recognition.track_embedding import TrackEmbedding
from facetrack.timeline import Dropped
from facetrack.tracking.rows import Rows, joined_rows, rows_between
from facetrack.tracking.tracks import (
    BETTER_POSE,
    MAX_BREAKS,
    CropSlot,
    least_needed,
    room_for,
)

Portrait = tuple[float, bytes]
"""Quality of the face that is shown for a track, 0 to 1, and its JPEG."""


@dataclass(eq=False)
class Tracklet:
    """Rows of one face in successive frames, and what tells who it is."""

    id: int
    """In its chunk: from 1 in the order of their beginnings; parts that were split off another
    tracklet have negative ids."""
    rows: Rows
    """``(n,)`` ``ROW``, one for each frame from the first to the last."""
    breaks: list[int] = field(default_factory=list)
    """As ``Track.breaks``."""
    faces: dict[CropSlot, KeptFace] = field(default_factory=dict)
    """The embedded faces, as ``Track.crops``."""
    split_from: int | None = None
    """Id of the tracklet that this one was split off: another person follows there."""
    open_before: bool = False
    """Whether the face may have been there at the end of the chunk before."""
    open_after: bool = False
    """Whether the face may go on in the next chunk."""
    dropped: Dropped | None = None
    """Why it is no person's, where its chunk alone can say so."""
    embedding: TrackEmbedding | None = None
    portrait: Portrait | None = None

    @property
    def detected(self) -> NDArray[np.bool_]:
        """``(n,)`` True for rows of detections, False for rows that bridge gaps."""
        return np.asarray(~self.rows["bridged"])

    @property
    def first_frame(self) -> int:
        """Index in the source, from 0."""
        return int(self.rows["frame"][0])

    @property
    def last_frame(self) -> int:
        """Index in the source; the tracklet has a row for it."""
        return int(self.rows["frame"][-1])

    @property
    def is_open(self) -> bool:
        """Whether its chunk could not say whether it is good enough to be a person's."""
        return self.open_before or self.open_after

    @property
    def best_pose(self) -> KeptFace:
        """The embedded face of best pose."""
        return max(self.faces.values(), key=lambda face: face.pose)

    @property
    def in_time(self) -> list[KeptFace]:
        """The embedded faces in order of time."""
        return sorted(self.faces.values(), key=lambda face: face.frame)

    def join(self, later: "Tracklet", times_s: dict[int, float], max_crops: int) -> None:
        """Continues this tracklet with one of the next chunk. Both may have a row for the frame
        that the chunks share.

        Args:
            later: the tracklet; it is not changed.
            times_s: presentation times of the frames of a gap between the two, by frame index.
            max_crops: most faces that are kept.
        """
        rows = later.rows[later.rows["frame"] > self.last_frame]
        if len(rows):
            parts = [self.rows, rows_between(self.rows[-1], rows[0], times_s), rows]
            self.rows = joined_rows(parts)
        parts_before = len(self.breaks)
        self.breaks = self.breaks + later.breaks
        if len(self.breaks) > MAX_BREAKS:
            self.breaks = []  # as in a track: it flickers
        for (part, moment), face in later.faces.items():
            slot = part + parts_before, moment
            kept = self.faces.get(slot)
            if kept is None or face.pose > BETTER_POSE * kept.pose:
                self.faces[slot] = face
        while len(self.faces) > room_for(max_crops, self.breaks):
            del self.faces[least_needed(self.faces, bool(self.breaks))]
        self.portrait = max((p for p in (self.portrait, later.portrait) if p), default=None)
        self.open_before, self.open_after = True, later.open_after
        self.dropped = self.embedding = None
