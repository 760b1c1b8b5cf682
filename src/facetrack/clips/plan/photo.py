"""Finds the person of a photo in a video by the face.

The photo is processed like the video's frames: by the same detector, face crop and network.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import ImageOps

from facetrack.core.errors import TargetError, UsageError
from facetrack.core.settings import DetectionSettings, IdentitySettings, TrackingSettings
from facetrack.identity.embedding_groups import EmbeddingSet
from facetrack.identity.people_similarity import PeopleSimilarity, scorer_of_analysis
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.media.images import ImageError, open_image
from facetrack.pipeline.engine import Engine, open_engine
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.recognition.quality import pose_quality
from facetrack.recognition.track_embedding import mean_embedding
from facetrack.timeline import Analysis
from facetrack.timeline.stored_settings import stored_setting, stored_settings

BORDER = 0.5
"""Width of the grey border put around a photo, in longer sides of it. Where a face fills the photo,
as in the thumbnails of ``people/``, the detector misses some and misplaces others with full
confidence (48 of 48 photos of 160 pixels). With the border, the face was found in all of 613
labelled photos."""


class Enroller:
    """Finds and keeps the face of each photo; where no engine is given, opens one when needed."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine
        self._faces: dict[Path, EmbeddingSet] = {}

    def enrol(self, photo: Path, engine: Engine, min_score: float) -> EmbeddingSet:
        """The only face in the photo, and how good it is.

        Raises:
            UsageError: when the file is no image.
            TargetError: when it shows no face, or several.
        """
        if photo not in self._faces:
            self._faces[photo] = face_of(photo, engine, min_score)
        return self._faces[photo]

    def find(self, photo: Path, analysis: Analysis) -> int:
        """The person of the video who is in the photo: the most probable one, if they are as
        probable as two tracks must be to become one person.

        Raises:
            UsageError: when the file is no image.
            TargetError: when it shows no face or several, or nobody in the video is like it.
        """
        self._engine = self._engine or _engine_like(analysis)
        recognizer = self._engine.embedder.name
        if recognizer != analysis.recognizer.name:
            raise UsageError(
                f"target {photo}: its embedding is by {recognizer}, and those of the video are by "
                f"{analysis.recognizer.name}; analyse the video again"
            )
        min_score = stored_setting(analysis, TrackingSettings, "min_score")
        face = self.enrol(photo, self._engine, min_score)
        scorer = scorer_of_analysis(analysis)
        odds = PeopleSimilarity(analysis, scorer).of_face(face)
        best = max(odds, key=lambda person: odds[person], default=None)
        if best is None:
            raise TargetError(f"target {photo} is not in this video; there is nobody")
        if odds[best] < scorer.min_log_odds:
            needed = scorer.in_words(scorer.min_log_odds)
            raise TargetError(
                f"target {photo} is not in this video; the most similar is person {best} with "
                f"{scorer.in_words(odds[best])}, and {needed} is needed"
            )
        return best


def face_of(photo: Path, engine: Engine, min_score: float) -> EmbeddingSet:
    """See ``Enroller.enrol``.

    Raises:
        UsageError: when the file is no image.
        TargetError: when it shows no face, or several.
    """
    try:
        image = open_image(photo)
    except ImageError as error:
        raise UsageError(f"{photo} is no image that can be read ({error})") from error
    for border in (round(BORDER * max(image.size)), 0):
        framed = RgbImage(np.array(ImageOps.expand(image, border, fill=(127, 127, 127))))
        (faces,) = engine.detector.detect([framed])
        faces = faces.pick(np.flatnonzero(faces.scores >= min_score))
        if len(faces) > 1:
            raise TargetError(f"{photo} shows {len(faces)} faces; give a photo of one person alone")
        if len(faces) == 1:
            pose = float(pose_quality(faces.boxes, faces.landmarks, faces.scores)[0])
            crop = FaceCrop(Frame(0, 0.0, framed), faces, 0, pose)
            embedder = FaceEmbedder(engine.embedder, engine.aligner)
            embedder.embed([crop])
            found = mean_embedding([crop], embedder.name)
            return EmbeddingSet(found.vector[None], found.evidence)
    raise TargetError(f"{photo} shows no face; give one that shows it from the front")


def _engine_like(analysis: Analysis) -> Engine:
    """An engine like the one that made the analysis, on the CPU where its device is missing.

    The embeddings of one face by two devices have a cosine of 0.99 or more.

    Raises:
        InputError: when this version cannot use the stored settings.
    """
    detection = stored_settings(analysis, "detection", DetectionSettings)
    identity = stored_settings(analysis, "identity", IdentitySettings)
    try:
        return open_engine(detection, identity)
    except UsageError:
        return open_engine(replace(detection, device="cpu"), identity)
