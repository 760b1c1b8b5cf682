"""``facetrack calibrate``: faces of labelled photos, a fit, a report, and a file with the
result."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facetrack.core.errors import InputError, UsageError, WeightsError
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.core.types import Float32
from facetrack.evaluation.calibrate import (
    TrackMeans,
    fit,
    pairs_of,
    people_for_fit,
    simulated_tracks,
    single_faces,
)
from facetrack.evaluation.calibration_report import Report, equal_error, report_on
from facetrack.evaluation.degraded import SWEEP
from facetrack.evaluation.labelled_photos import FaceSamples, filmed_faces, labelled_photos
from facetrack.pipeline.engine import open_engine
from facetrack.recognition.calibration import SFACE, Calibration
from facetrack.recognition.embedder import CropSpec, Embedder
from facetrack.recognition.openvino_embedders import OnnxEmbedder, input_size_of
from facetrack.recognition.recognizers import (
    NetworkInput,
    OnnxRecognizer,
    network_bytes,
    onnx_name,
    write_recognizer,
)
from facetrack.recognition.reference_embeddings import cohort_of, featureless_direction

MIN_FACE_PX = 16
"""Smallest face that is searched for: smaller ones cannot be told apart."""
BUILT_IN = ("sface", "facenet")
INPUTS = tuple(
    NetworkInput(mean, scale, bgr)
    for mean, scale in ((127.5, 1 / 127.5), (0.0, 1.0), (0.0, 1 / 255))
    for bgr in (False, True)
)
"""Ways to feed pixels to a network. An ONNX file does not say which one its network takes; a wrong
one tells people apart worse, so each is tried."""
MIN_PEOPLE = 10
"""With fewer people a calibration means nothing."""
GOOD_FACES, FACES_KEPT, FACES_MARGIN = 0.5, 0.995, 0.05
"""For ``Calibration.featureless``: the reliability from which a track is a good example of a face,
the share of such tracks that stay below the limit, and a margin that is added to the limit."""
FACES_TO_TRY = 400
"""Faces that are embedded in each way of feeding pixels."""


@dataclass(frozen=True)
class Calibrated:
    """The result of a calibration."""

    name: str
    photos: int
    calibration: Calibration
    report: Report
    written: Path | None
    """The file; None for a recogniser of the product, whose calibration is in the code."""


def calibrate_recognizer(place: Path, recognizer: str, out: Path | None) -> Calibrated:
    """Fits a calibration and writes it beside the recogniser's file.

    Args:
        place: labelled photos, see ``labelled_photos``.
        recognizer: path of an ONNX file, ``sface`` or ``facenet``.
        out: another file to write to; a run finds a calibration only beside the ONNX file.

    Raises:
        InputError: when the photos cannot be read, or are too few.
        UsageError: when the recogniser is none of these.
        WeightsError: when the ONNX file cannot be read.
    """
    photos = labelled_photos(place)
    settings = DetectionSettings(device="cpu", min_face=MIN_FACE_PX)
    if recognizer in BUILT_IN:
        engine = open_engine(settings, IdentitySettings(recognizer=recognizer))
        samples = filmed_faces(photos, engine, engine.embedder.crop)
        calibration, report = fitted(samples, engine.embedder)
        return Calibrated(recognizer, len(photos), calibration, report, None)
    file = Path(recognizer)
    if not file.is_file():
        raise UsageError(f"recognizer {recognizer!r}: give FILE.onnx, {' or '.join(BUILT_IN)}")
    if out is not None and out.suffix != ".json":
        raise UsageError(f"--out {out}: give a file that ends with .json")
    engine = open_engine(settings, IdentitySettings())
    size = input_size_of(file)
    crop = CropSpec(size=size, aligned=size == 112)
    samples = filmed_faces(photos, engine, crop)
    chosen = _with_input(file, crop, samples)
    calibration, report = fitted(samples, OnnxEmbedder(chosen, "f32"))
    written = write_recognizer(replace(chosen, calibration=calibration), out)
    return Calibrated(chosen.name, len(photos), calibration, report, written)


def fitted(samples: FaceSamples, embedder: Embedder) -> tuple[Calibration, Report]:
    """A calibration for the embedder, and a report on people who were not used for it.

    Raises:
        InputError: when there are too few people.
    """
    vectors = samples.embed(embedder)
    cohort = cohort_of(embedder.name)
    tracks = simulated_tracks(samples, vectors, cohort)
    singles = single_faces(samples, vectors, cohort)
    chosen = sorted(people_for_fit(samples.identity, samples.group))
    for_fit = np.isin(tracks.identity, chosen)
    learned, held = (tracks.pick(np.flatnonzero(w)) for w in (for_fit, ~for_fit))
    pairs = pairs_of(learned)
    people = np.unique(samples.identity)
    several = [p for p in people if len(np.unique(samples.photo[samples.identity == p])) > 1]
    if len(several) < MIN_PEOPLE or not pairs.same.any() or pairs.same.all() or not len(held):
        raise InputError(
            f"{len(several)} people have faces that are found in two photos or more; "
            f"{MIN_PEOPLE} are needed"
        )
    calibration = fit(learned, pairs)
    limit = _featureless_limit(learned, calibration, featureless_direction(embedder))
    calibration = replace(calibration, featureless=limit)
    others = singles.pick(np.flatnonzero(~np.isin(singles.identity, chosen)))
    return calibration, report_on(others, held, calibration)


def _featureless_limit(tracks: TrackMeans, calibration: Calibration, direction: Float32) -> float:
    """``Calibration.featureless``: a cosine with ``direction`` that few good tracks reach."""
    good = calibration.reliability(tracks.evidence) >= GOOD_FACES
    if not good.any():
        return calibration.featureless
    cosine = np.quantile(tracks.vectors[good] @ direction, FACES_KEPT)
    return round(float(np.clip(cosine + FACES_MARGIN, 0.2, 0.95)), 3)


def _with_input(file: Path, crop: CropSpec, samples: FaceSamples) -> OnnxRecognizer:
    """The recogniser with the way of feeding pixels that tells people apart best.

    Raises:
        WeightsError: when none tells them apart.
    """
    digest = hashlib.sha256(network_bytes(file)).hexdigest()
    unchanged = np.flatnonzero(samples.condition == SWEEP[0].name)[:FACES_TO_TRY]
    tried: list[tuple[float, int, OnnxRecognizer]] = []
    for i, given in enumerate(INPUTS):
        recognizer = OnnxRecognizer(onnx_name(file, digest), crop, 0, SFACE, file, given)
        vectors = samples.embed(OnnxEmbedder(recognizer, "f32"), unchanged)
        error = equal_error(vectors, samples.identity[unchanged])
        tried.append((error, i, replace(recognizer, dim=vectors.shape[1])))
    error, _, best = min(tried, key=lambda one: one[:2])
    if not error < 0.4:
        raise WeightsError(f"{file}: it does not tell people apart (equal error {error:.0%})")
    return best
