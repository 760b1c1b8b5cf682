"""An embedder with its aligner for landmarks."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from facetrack.core.types import Float32
from facetrack.detection.aligner import Aligner
from facetrack.media.frame_image import stacked
from facetrack.recognition.calibration import Calibration
from facetrack.recognition.embedder import Embedder
from facetrack.recognition.face_crop import FaceCrop, cut_out, prepare
from facetrack.recognition.reference_embeddings import featureless_direction


class FaceEmbedder:
    """Embeds face crops; for one thread at a time."""

    def __init__(self, embedder: Embedder, aligner: Aligner | None = None) -> None:
        """``aligner``: places landmarks better than the detector; None: the detector's are used."""
        self._embedder = embedder
        self._aligner = aligner if embedder.crop.aligned else None

    @property
    def name(self) -> str:
        """As ``Embedder.name``."""
        return self._embedder.name

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._embedder.dim

    @property
    def calibration(self) -> Calibration:
        """As ``Embedder.calibration``."""
        return self._embedder.calibration

    @cached_property
    def featureless(self) -> Float32:
        """``(dim,)`` of length one: the direction of embeddings of crops without features."""
        return featureless_direction(self._embedder)

    def release_frames(self, crops: Iterable[FaceCrop]) -> None:
        """Cuts the faces out of their frames, so that the frames can be freed.

        Landmarks of crops that are still to be embedded are placed by the aligner first. Crops that
        were cut out before are left as they are.
        """
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
        """Embeds the crops that have no embedding yet, all in one call of the network.

        Returns:
            Number of crops that were embedded.
        """
        missing = [crop for crop in crops if crop.embedding is None]
        if missing:
            self.release_frames(missing)
            prepare(missing)
            pixels = stacked([crop.pixels(self._embedder.crop.aligned) for crop in missing])
            vectors = self._embedder.embed(pixels)
            for crop, vector in zip(missing, vectors, strict=True):
                crop.embedding = vector
        return len(missing)
