"""Tracks to people: average linkage over log-odds, weak tracks last, in any order."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from facetrack.identity.clustering import TrackSet, group_tracks
from facetrack.identity.similarity import CosineScorer
from facetrack.recognition.calibration import Evidence

DIM = 32


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def track_set(vectors, reliability=None, cannot_link=(), threshold=0.5):
    vectors, n = unit(vectors), len(vectors)
    matrix = np.zeros((n, n), bool)
    for i, j in cannot_link:
        matrix[i, j] = matrix[j, i] = True
    none, scorer = Evidence.joined([Evidence.none()] * n), CosineScorer(threshold)
    return TrackSet(
        vectors,
        np.ones(n) if reliability is None else np.array(reliability),
        csr_array(matrix),
        lambda some, others: scorer.log_odds(vectors[some], none, vectors[others], none),
    )


def tracks_of(vectors, cannot_link, threshold):
    return track_set(vectors, cannot_link=np.argwhere(cannot_link), threshold=threshold)


def people(count, tracks, noise, seed):
    """``tracks`` tracks of each of ``count`` people, in one array, person after person."""
    chance = np.random.default_rng(seed)
    centres = np.repeat(np.linalg.qr(chance.normal(size=(DIM, DIM)))[0][:count], tracks, axis=0)
    return centres + noise * chance.normal(size=(count * tracks, DIM)) / np.sqrt(DIM)


def test_people_are_told_apart_in_any_order():
    vectors = people(6, 8, 0.6, seed=1)
    chance = np.random.default_rng(2)
    for _ in range(20):
        order = chance.permutation(len(vectors))
        found = group_tracks(track_set(vectors[order]))
        assert sorted(sorted(order[group]) for group in found) == [
            list(range(8 * i, 8 * i + 8)) for i in range(6)
        ]


def test_hard_cases_do_not_depend_on_the_order_either():
    """Where groups are close, the first join decides much: it must always be the same one."""
    vectors = people(8, 6, 1.6, seed=3)
    reliability = np.random.default_rng(4).random(len(vectors))
    cannot_link = [(0, 1), (6, 13), (20, 30)]
    chance, results = np.random.default_rng(5), set()
    for _ in range(20):
        order = chance.permutation(len(vectors))
        place = np.argsort(order)
        moved = [(place[i], place[j]) for i, j in cannot_link]
        found = group_tracks(track_set(vectors[order], reliability[order], moved, threshold=0.3))
        results.add(tuple(sorted(tuple(sorted(order[group].tolist())) for group in found)))
    assert len(results) == 1
    assert 8 < len(results.pop()) < 48


def test_a_weak_track_never_bridges_two_people():
    """Blurred faces are in the middle between all others: five of them joined two people."""
    a, b = np.eye(DIM)[0], np.eye(DIM)[1]
    blurred = [a + b + 0.01 * np.eye(DIM)[i + 2] for i in range(5)]
    vectors = np.array([a, a, b, b, *blurred])
    strong = group_tracks(track_set(vectors))
    assert any(len({0, 2} & set(group)) == 2 for group in strong)
    found = group_tracks(track_set(vectors, [0.9] * 4 + [0.1] * 5))
    assert [0, 1] in found and [2, 3] in found


def test_a_weak_track_joins_whom_it_clearly_resembles():
    a, b = np.eye(DIM)[0], np.eye(DIM)[1]
    vectors = np.array([a, a, b, b, a + 0.3 * b])
    assert group_tracks(track_set(vectors, [0.9] * 4 + [0.1])) == [[0, 1, 4], [2, 3]]


def test_weak_tracks_that_share_a_frame_are_two():
    a = np.eye(DIM)[0]
    vectors = np.array([a, a, a, a])
    found = group_tracks(track_set(vectors, [0.9, 0.9, 0.1, 0.1], cannot_link=[(2, 3)]))
    assert sorted(map(len, found)) == [1, 3]


def test_all_tracks_may_be_weak():
    vectors = people(3, 4, 0.1, seed=7)
    found = group_tracks(track_set(vectors, np.full(12, 0.1)))
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.parametrize("n", [0, 1])
def test_few_tracks(n):
    assert group_tracks(track_set(np.ones((n, DIM)))) == [[i] for i in range(n)]


def test_tracks_that_share_a_frame_are_never_joined():
    vectors = np.eye(3, DIM, dtype=np.float32)
    vectors[1] = vectors[0]
    cannot_link = np.zeros((3, 3), bool)
    assert group_tracks(tracks_of(vectors, cannot_link, 0.5)) == [[0, 1], [2]]
    cannot_link[0, 1] = cannot_link[1, 0] = True
    assert group_tracks(tracks_of(vectors, cannot_link, 0.5)) == [[0], [1], [2]]


def test_a_cannot_link_pair_holds_for_the_whole_group():
    """0 and 1 join; 2 shares a frame with 1, so it is never joined with 0, however similar."""
    vectors = np.zeros((3, DIM), np.float32)
    vectors[:, 0] = 1
    cannot_link = np.zeros((3, 3), bool)
    cannot_link[1, 2] = cannot_link[2, 1] = True
    groups = group_tracks(tracks_of(vectors, cannot_link, 0.5))
    assert sorted(map(len, groups)) == [1, 2]
    assert not any({1, 2} <= set(g) for g in groups)


def joined_plainly(vectors, cannot_link, threshold):
    """All pairs of groups, all pairs of their tracks, each time."""
    cosines = vectors.astype(float) @ vectors.T.astype(float)
    groups = [[i] for i in range(len(vectors))]
    while len(groups) > 1:
        means = {
            (i, j): cosines[np.ix_(groups[i], groups[j])].mean()
            for i in range(len(groups))
            for j in range(i)
            if not cannot_link[np.ix_(groups[i], groups[j])].any()
        }
        if not means or max(means.values()) < threshold:
            break
        i, j = max(means, key=means.get)
        groups[j] += groups.pop(i)
    return sorted(map(sorted, groups))


@pytest.mark.parametrize("rows", [7, 256])
@pytest.mark.parametrize("noise", [0.6, 1.0, 1.2])
def test_groups_are_those_of_all_pairs_compared(noise, rows, monkeypatch):
    """From people who are easily told apart to chains of everybody; some share a frame."""
    monkeypatch.setattr("facetrack.identity.clustering.ROWS", rows)
    random = np.random.default_rng(int(10 * noise))
    vectors = random.normal(size=(9, 512))[random.integers(0, 9, 60)]
    vectors += noise * random.normal(size=vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    cannot_link = np.triu(random.random((60, 60)) < 0.02, 1)
    cannot_link |= cannot_link.T
    expected = joined_plainly(vectors, cannot_link, 0.4)
    assert group_tracks(tracks_of(vectors, cannot_link, 0.4)) == expected
    assert 9 <= len(expected) < 60


def test_linkage_is_the_average():
    """1 is similar to 0 and to 2, which are not similar: 0-1-2 must not become one person."""
    angle = np.radians([0, 50, 100])
    vectors = np.zeros((3, DIM), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angle), np.sin(angle)
    assert len(group_tracks(tracks_of(vectors, np.zeros((3, 3), bool), 0.5))) == 2
