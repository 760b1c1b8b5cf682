"""``recognition.calibration``: what its probabilities mean, on made and on labelled faces."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from math import log
from pathlib import Path

import numpy as np
import pytest

from facetrack.core.errors import InputError
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.evaluation.calibrate import (
    TrackMeans,
    fit,
    log_odds_of,
    pairs_of,
    people_for_fit,
    simulated_tracks,
    weights_of,
)
from facetrack.evaluation.calibrating import calibrate_recognizer
from facetrack.evaluation.labelled_photos import filmed_faces, labelled_photos
from facetrack.models.weight_files import FILES, verified_bytes
from facetrack.pipeline.engine import open_engine
from facetrack.recognition.calibration import FACENET, SFACE, Calibration, Evidence
from facetrack.recognition.recognizers import onnx_recognizer
from facetrack.recognition.reference_embeddings import DIRECTIONS, Cohort, cohort_of

PHOTOS = Path(__file__).parents[3] / "shared" / "faces"
labelled = pytest.mark.skipif(not PHOTOS.is_dir(), reason="../shared/faces is not there")
both = pytest.mark.parametrize("calibration", [SFACE, FACENET], ids=["sface", "facenet"])


def faces(px: float, sharpness: float, agreement: float = 0.9, count: int = 5) -> Evidence:
    return Evidence.of_track(count, px, sharpness, 0.8, agreement)


GOOD, SMALL, BLURRED = faces(110, 0.5), faces(24, 0.08), faces(80, 0.01)


@both
def test_more_cosine_is_more_probable(calibration: Calibration) -> None:
    for evidence in (GOOD, SMALL, BLURRED):
        odds = [float(calibration.log_odds(c, evidence, GOOD)) for c in np.linspace(-1, 1, 41)]
        assert (np.diff(odds) > 0).all()


@both
def test_better_faces_make_the_curve_steeper(calibration: Calibration) -> None:
    def rise(evidence: Evidence) -> float:
        low, high = (calibration.log_odds(c, evidence, evidence) for c in (0.2, 0.7))
        return float(high - low)

    assert rise(GOOD) > rise(SMALL) > 0
    assert rise(GOOD) > rise(BLURRED) > 0
    reliable = [float(calibration.reliability(e)[0]) for e in (BLURRED, SMALL, GOOD)]
    assert 0 < reliable[0] < reliable[1] < reliable[2] < 1


def cosine_for(calibration: Calibration, probability: float, both: Evidence) -> float:
    """The cosine that gives this probability: log-odds are a straight line over the cosine."""
    low, high = (float(calibration.log_odds(c, both, both)) for c in (0, 1))
    return (log(probability / (1 - probability)) - low) / (high - low)


@both
def test_a_high_probability_needs_more_cosine_of_poor_faces(calibration: Calibration) -> None:
    good, blurred = (cosine_for(calibration, 0.9, e) for e in (GOOD, BLURRED))
    assert blurred > good + 0.05


@both
def test_similar_blurred_faces_are_not_taken_for_one_person(
    calibration: Calibration,
) -> None:
    assert calibration.probability(0.40, BLURRED, BLURRED) < 0.2
    assert calibration.probability(0.40, Evidence.none(), Evidence.none()) < 0.2


@both
def test_without_evidence_the_prior_is_left(calibration: Calibration) -> None:
    for cosine in (-0.2, 0.9):
        odds = float(calibration.log_odds(cosine, Evidence.none(), Evidence.none(), prior=-2.0))
        assert abs(odds + 2.0) < abs(float(calibration.log_odds(cosine, GOOD, GOOD, -2.0)) + 2.0)


@both
def test_log_odds_are_symmetric(calibration: Calibration) -> None:
    some = Evidence.joined([GOOD, SMALL, BLURRED])
    cosines = np.array([[0.9, 0.4, 0.3], [0.4, 0.8, 0.2], [0.3, 0.2, 0.7]])
    odds = calibration.log_odds(cosines, some, some)
    assert odds.shape == (3, 3)
    np.testing.assert_allclose(odds, odds.T)
    rows = calibration.log_odds_of_pairs(np.diag(cosines), some, some)  # each with itself
    np.testing.assert_allclose(rows, np.diag(odds))


@both
def test_is_written_and_read_as_json(calibration: Calibration) -> None:
    stored = json.loads(json.dumps(calibration.to_dict()))
    assert Calibration.from_dict(stored) == calibration


def test_evidence_of_faces() -> None:
    one = Evidence.of_faces(np.array([50.0]), np.array([0.2]), np.array([0.9]))
    assert one.agreement[0] == 1.0
    several = Evidence.of_faces(np.full(4, 50.0), np.full(4, 0.2), np.full(4, 0.9), 0.8)
    assert several.to_dict() == {
        "faces": 4, "face_px": 50.0, "sharpness": 0.2, "frontality": 0.9, "agreement": 0.8,
    }  # fmt: skip
    assert len(Evidence.joined([one, several])) == 2 and len(Evidence.joined([])) == 0


def test_an_agreement_that_was_not_measured_is_the_usual_one() -> None:
    counted = [Evidence.of_track(n, 100, 0.5, 0.8) for n in (1, 2, 8)]
    needed = [cosine_for(SFACE, 0.5, e) for e in counted]
    assert needed[0] < needed[1] < needed[2] < 1


def cohort_distribution(people: np.ndarray) -> np.ndarray:
    """``(1 + k, dim)`` for ``Cohort``, of ``(n, dim)`` mean embeddings of people, as the product's
    file was made."""
    mean = people.mean(axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(people - mean, full_matrices=False)
    spread = sizes[:DIRECTIONS, None] * axes[:DIRECTIONS] / np.sqrt(max(len(people) - 1, 1))
    return np.concatenate([mean[None], spread]).astype(np.float16)


def test_a_cohort_tells_common_embeddings() -> None:
    """Half of a crowd is close to each other; these are more common than the others."""
    chance = np.random.default_rng(1)
    crowd = chance.normal(size=(200, 64))
    crowd[:100] += 6 * chance.normal(size=64) / 8
    crowd /= np.linalg.norm(crowd, axis=1, keepdims=True)
    common = Cohort(cohort_distribution(crowd[::2])).commonness(crowd[1::2].astype(np.float32))
    assert common[:50].mean() > common[50:].mean() + 0.1


def test_the_cohort_of_the_product() -> None:
    cohort = cohort_of("facenet")
    assert cohort is not None
    vectors = np.eye(512, dtype=np.float32)[:4]
    assert cohort.commonness(vectors).shape == (4,)
    assert cohort_of("sface") is None


@pytest.fixture(scope="module")
def tracks() -> TrackMeans:
    """Of the faces of 60 photos, degraded in many ways."""
    photos = labelled_photos(PHOTOS)
    people = sorted({p.identity for p in photos if p.group == "other"})
    held = set(people) - people_for_fit(np.array(people), np.array(["other"] * len(people)))
    settings = DetectionSettings(device="cpu", min_face=16)
    engine = open_engine(settings, IdentitySettings(recognizer="sface"))
    chosen = [p for p in photos if p.identity in held][:60]
    samples = filmed_faces(chosen, engine, engine.embedder.crop)
    return simulated_tracks(samples, samples.embed(engine.embedder), None)


@labelled
def test_labelled_people_get_true_probabilities(tracks: TrackMeans) -> None:
    """On people who were not used for the fit, probabilities are true shares, as far as so few
    tell."""
    pairs = pairs_of(tracks)
    odds, weights = log_odds_of(tracks, pairs, SFACE), weights_of(tracks, pairs)
    said = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    sure = said >= 0.9
    assert pairs.same[sure].sum() > 100
    assert np.average(pairs.same[sure], weights=weights[sure]) > 0.9
    unlikely = said < 0.1
    assert np.average(pairs.same[unlikely], weights=weights[unlikely]) < 0.02
    assert (odds[~pairs.same] >= 0).mean() < 0.002


@labelled
def test_blurred_faces_of_different_people_are_not_joined(tracks: TrackMeans) -> None:
    pairs, weak = pairs_of(tracks), SFACE.reliability(tracks.evidence) < 0.6
    poor = pairs.pick(~pairs.same & weak[pairs.one] & weak[pairs.other])
    assert len(poor.one) > 100
    assert (log_odds_of(tracks, poor, SFACE) >= 0).mean() < 0.01


@labelled
def test_a_fit_comes_close_to_the_one_that_ships(tracks: TrackMeans) -> None:
    made = fit(tracks, pairs_of(tracks))
    mine, shipped = (cosine_for(c, 0.5, GOOD) for c in (made, SFACE))
    assert mine == pytest.approx(shipped, abs=0.12)


def test_a_folder_without_people_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    with pytest.raises(InputError, match="two people"):
        calibrate_recognizer(tmp_path, "sface", None)


@labelled
def test_the_command_calibrates_a_file(tmp_path: Path) -> None:
    """SFace as a file of the user's: its input is found, and the written file is read again."""
    file, table = tmp_path / "mine.onnx", tmp_path / "labels.csv"
    file.write_bytes(verified_bytes(FILES["sface"]))
    photos = [p for p in labelled_photos(PHOTOS) if p.group in ("east_asian", "black")]
    counts = Counter(p.identity for p in photos)
    several = sorted(name for name, count in counts.items() if count > 2)
    people = several[:5] + several[-5:]  # no fewer are taken
    chosen = [p for name in people for p in [q for q in photos if q.identity == name][:3]]
    for photo in chosen:
        shutil.copy(photo.file, tmp_path)
    lines = [f"{p.file.name},{p.identity},{p.group}" for p in chosen]
    table.write_text("file,identity,group\n" + "\n".join(lines) + "\n")
    command = [sys.executable, "-m", "facetrack", "calibrate", str(tmp_path), "--recognizer"]
    done = subprocess.run(
        [*command, str(file), "--json"], capture_output=True, text=True, check=True
    )
    printed = json.loads(done.stdout)
    assert printed["photos"] == len(lines)
    assert {row["group"] for row in printed["report"]["rows"]} >= {"", "east_asian", "black"}
    made = onnx_recognizer(file)
    assert made.calibration.to_dict() == printed["calibration"]
    assert (made.dim, made.crop.size, made.crop.aligned) == (128, 112, True)
    assert (made.input.scale, made.input.bgr) == (1.0, False)
