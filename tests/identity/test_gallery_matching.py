"""Who of a gallery is named in an analysis, and how surely."""

import json
from dataclasses import replace

import numpy as np
import pytest

from facetrack.identity.embedding_groups import EmbeddingSet
from facetrack.identity.gallery_matching import MARGIN, SURE, confidences, match_gallery
from facetrack.identity.people_similarity import PeopleSimilarity, embeddings_of
from facetrack.recognition.calibration import Evidence
from facetrack.timeline import Analysis

GOOD = Evidence.of_faces(np.array([150.0]), np.array([1.0]), np.array([0.9]))


def stranger(seed):
    vector = np.random.default_rng(seed).normal(size=128).astype(np.float32)
    return EmbeddingSet((vector / np.linalg.norm(vector))[None], GOOD)


def of_person(analysis, person):
    return embeddings_of(analysis, [t for t in analysis.tracks if t.person == person])


def names(analysis, gallery):
    return {p.id: p.name for p in match_gallery(analysis, gallery).analysis.people if p.confidence}


def between(analysis, one, other, share):
    """A face between two people; ``share``: how close it is to the first."""
    a, b = (of_person(analysis, p).mean for p in (one, other))
    mixed = share * a / np.linalg.norm(a) + (1 - share) * b / np.linalg.norm(b)
    vector = (mixed / np.linalg.norm(mixed)).astype(np.float32)
    return EmbeddingSet(vector[None], GOOD)


def test_a_person_of_the_gallery_is_named_with_a_confidence(demo_analysis, tmp_path):
    gallery = {"Ada": of_person(demo_analysis, 1), "Bo": of_person(demo_analysis, 2)}
    found = match_gallery(demo_analysis, gallery).analysis
    assert {p.id: p.name for p in found.people if p.confidence} == {1: "Ada", 2: "Bo"}
    assert all(p.confidence >= SURE for p in found.people if p.id < 3)
    found.save(tmp_path)
    stored = json.loads((tmp_path / "timeline.json").read_text())["people"]
    assert [p["confidence"] for p in stored] == [0.99, 0.99, None, None, None, None, None]
    assert Analysis.load(tmp_path).people == found.people


def test_an_analysis_without_confidences_is_read(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path)
    data = json.loads((tmp_path / "timeline.json").read_text())
    for person in data["people"]:
        del person["confidence"]
    (tmp_path / "timeline.json").write_text(json.dumps(data))
    assert Analysis.load(tmp_path).people == demo_analysis.people


def test_strangers_stay_unknown(demo_analysis):
    assert names(demo_analysis, {f"Name {n}": stranger(n) for n in range(50)}) == {}


def test_a_name_that_hardly_beats_another_is_not_given(demo_analysis):
    ada = of_person(demo_analysis, 1)
    assert names(demo_analysis, {"Ada": ada, "Twin": ada}) == {}
    found = match_gallery(demo_analysis, {"Ada": ada, "Twin": ada})
    assert [(m.person, m.confidence) for m in found.unsure] == [(1, 0.5)]


def test_two_who_share_a_frame_do_not_both_get_the_name(demo_analysis):
    halfway = between(demo_analysis, 3, 4, 0.5)
    odds = PeopleSimilarity(demo_analysis).of_face(halfway)
    assert min(odds[3], odds[4]) > MARGIN
    assert abs(odds[3] - odds[4]) < MARGIN
    assert names(demo_analysis, {"Ada": halfway}) == {}
    nearer = between(demo_analysis, 3, 4, 0.9)
    assert names(demo_analysis, {"Ada": nearer}) == {3: "Ada"}


def test_a_name_given_by_hand_stays(demo_analysis):
    people = [replace(p, name="Eve") if p.id == 1 else p for p in demo_analysis.people]
    by_hand = replace(demo_analysis, people=people)
    ada = of_person(demo_analysis, 1)
    assert (
        match_gallery(by_hand, {"Ada": ada, "Eve": of_person(demo_analysis, 2)}).analysis == by_hand
    )


def test_confidence_falls_with_the_number_of_names_and_with_a_rival():
    assert confidences(np.array([0.0]))[0] == pytest.approx(0.5)
    few, many = (confidences(np.array([3.5] + [-9.0] * n))[0] for n in (1, 99))
    assert 0.9 < few < 0.95
    assert many < 0.3
    assert confidences(np.array([9, 9 - MARGIN]))[0] == pytest.approx(SURE, abs=0.01)
    assert confidences(np.array([-5.0]))[0] < 0.01


def test_confidence_falls_with_the_number_of_people_in_the_video():
    alone, crowd = (confidences(np.array([3.5]), people)[0] for people in (1, 30))
    assert alone > SURE > 0.6 > crowd
    # Among as many names as people it is what it is among the names.
    assert confidences(np.full(30, 5.0), 30)[0] == confidences(np.full(30, 5.0))[0]


def test_a_bad_photo_makes_nobody_sure(demo_analysis):
    """The same embedding, from a face of 24 blurred pixels."""
    ada = of_person(demo_analysis, 1)
    bad = Evidence.of_faces(np.array([24.0]), np.array([0.0]), np.array([0.2]))
    (good,) = match_gallery(demo_analysis, {"Ada": some_of(ada, GOOD)}).analysis.people[:1]
    assert good.confidence == 0.99
    assert log_odds_by(demo_analysis, bad) < log_odds_by(demo_analysis, GOOD)


def some_of(embeddings, evidence):
    return EmbeddingSet(embeddings.vectors[:1], evidence)


def log_odds_by(analysis, evidence):
    similarity = PeopleSimilarity(analysis)
    return similarity.of_face(some_of(of_person(analysis, 1), evidence))[1]


def test_a_threshold_of_cosine_must_be_reached_too(demo_analysis):
    gallery = {"Ada": between(demo_analysis, 1, 2, 0.8)}
    assert names(demo_analysis, gallery) == {1: "Ada"}
    identity = {**demo_analysis.settings["identity"], "threshold": 0.99}
    strict = replace(demo_analysis, settings={**demo_analysis.settings, "identity": identity})
    assert names(strict, gallery) == {}
