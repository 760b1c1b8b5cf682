"""Cannot-link pairs of tracks, and the mean embedding of a person."""

import numpy as np
import pyarrow as pa

from facetrack.identity.cannot_link import cannot_link_pairs
from facetrack.identity.embedding_groups import EmbeddingSet
from facetrack.recognition.calibration import Evidence
from facetrack.recognition.track_embedding import unit_mean


def faces(*rows):
    """Rows of track, frame and source."""
    track, frame, source = zip(*rows, strict=True)
    return pa.table(
        {"track": pa.array(track, pa.int32()), "frame": pa.array(frame, pa.int32()),
         "source": source}
    )  # fmt: skip


def pairs(table, ids):
    found = cannot_link_pairs(table, "track", ids).toarray()
    np.testing.assert_array_equal(found, found.T)
    return {(ids[i], ids[j]) for i, j in np.argwhere(found) if i < j}


def test_tracks_of_one_frame_are_a_pair():
    table = faces((1, 0, "detected"), (2, 0, "refined"), (1, 5, "detected"), (7, 5, "detected"))
    assert pairs(table, [1, 2, 7]) == {(1, 2), (1, 7)}


def test_ids_in_any_order_and_without_some_tracks():
    table = faces((1, 0, "detected"), (2, 0, "detected"), (3, 0, "detected"))
    assert pairs(table, [3, 1]) == {(3, 1)}
    assert pairs(table, [9, 2]) == set()
    assert pairs(table, []) == set()


def test_interpolated_faces_are_no_evidence():
    """A gap may have been filled in the frames in which another track shows the same person."""
    table = faces((1, 0, "detected"), (1, 1, "interpolated"), (2, 1, "detected"))
    assert pairs(table, [1, 2]) == set()


def units(n, seed):
    vectors = np.random.default_rng(seed).normal(size=(n, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def of_vectors(vectors):
    return EmbeddingSet(vectors, Evidence.joined([Evidence.none()] * len(vectors)))


def test_the_product_of_two_means_is_the_mean_cosine_of_all_pairs():
    one, other = of_vectors(units(5, 1)), of_vectors(units(3, 2))
    cosines = one.vectors @ other.vectors.T
    assert abs(float(one.mean @ other.mean) - cosines.mean()) < 1e-6
    assert not of_vectors(units(0, 0)).mean.any()


def test_a_weighted_mean_has_length_one_and_says_how_far_the_faces_agree():
    vectors = units(2, 3)
    mean, agreement = unit_mean(vectors, np.array([1.0, 0.0]))
    np.testing.assert_allclose(mean, vectors[0], atol=1e-6)
    assert abs(agreement - 1) < 1e-6
    opposite = np.stack([vectors[0], -vectors[0]])
    assert unit_mean(opposite, np.array([1.0, 1.0]))[1] < 1e-6
    mean, agreement = unit_mean(opposite, np.array([3.0, 1.0]))
    assert abs(agreement - 0.5) < 1e-6 and abs(float(np.linalg.norm(mean)) - 1) < 1e-6
