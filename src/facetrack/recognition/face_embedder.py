"""An embedder and what goes with it: landmarks to align by, and what its embeddings have in common.

Tracks in work and tracks that ended are looked at in threads of their own; the network is asked by
one of them at a time.
"""

import threading
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from facetrack.core.types import Float32
from facetrack.detection.aligner import Aligner
from facetrack.recognition.calibration import Calibration
from facetrack.recognition.embedder import Embedder
from facetrack.recognition.face_crop import FaceCrop, cut_out
from facetrack.recognition.featureless import featureless_direction
from facetrack.recognition.strangers import strangers_of
from facetrack.recognition.track_embedding import TrackEmbedding, track_embedding


class FaceEmbedder:
    """Embeds face crops, and takes their means."""

    def __init__(self, embedder: Embedder, aligner: Aligner | None = None) -> None:
        """``aligner``: places landmarks better than the detector; None: the detector's are used."""
        self._embedder = embedder
        self._aligner = aligner if embedder.crop.aligned else None
        self._lock = threading.Lock()
        self._strangers = strangers_of(embedder.name)

    @property
    def name(self) -> str:
        """As ``Embedder.name``."""
        return self._embedder.name

    @property
    def dim(self) -> int:
        """Numbers in an embedding."""
        return self._embedder.dim

    @property
    def calibration(self) -> Calibration:
        """As ``Embedder.calibration``."""
        return self._embedder.calibration

    @cached_property
    def featureless(self) -> Float32:
        """``(dim,)``: the direction of embeddings of crops without features."""
        return featureless_direction(self._embedder)

    def release_frames(self, crops: Iterable[FaceCrop]) -> None:
        """Cuts the faces out of their frames, which can then be let go. Nothing is done twice."""
        waiting = [crop for crop in crops if crop.source is not None]
        if not waiting:
            return
        if self._aligner is not None:
            wanted = [crop for crop in waiting if crop.embedding is None]
            if wanted:
                placed = self._aligner.landmarks(
                    [crop.source for crop in wanted if crop.source is not None],
                    np.stack([crop.box for crop in wanted]),
                    np.stack([crop.landmarks for crop in wanted]),
                )
                for crop, landmarks in zip(wanted, placed, strict=True):
                    crop.landmarks = landmarks
        cut_out(waiting)

    def embed(self, crops: Sequence[FaceCrop]) -> int:
        """Sees to it that each has its embedding, all that are missing by one call; how many
        were."""
        missing = [crop for crop in crops if crop.embedding is None]
        if missing:
            self.release_frames(missing)
            pixels = np.stack([crop.pixels(self._embedder.crop.aligned) for crop in missing])
            with self._lock:
                vectors = self._embedder.embed(pixels)
            for crop, vector in zip(missing, vectors, strict=True):
                crop.embedding = vector
        return len(missing)

    def mean(self, crops: Sequence[FaceCrop]) -> TrackEmbedding:
        """The track of which these are faces; ``crops``: embedded, one or more."""
        found = track_embedding(crops)
        if self._strangers is None:
            return found
        common = float(self._strangers.commonness(found.vector[None])[0])
        return TrackEmbedding(found.vector, found.evidence.with_commonness(common))
