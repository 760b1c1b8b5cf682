"""Tracks to people: average linkage over evidence, weak tracks last, whatever the order."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from facetrack.identity.clustering import TrackSet, group_tracks
from facetrack.identity.similarity import ThresholdJudge
from facetrack.recognition.calibration import Evidence

DIM = 32


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def track_set(vectors, reliability=None, apart=(), threshold=0.5):
    vectors, n = unit(vectors), len(vectors)
    cannot = np.zeros((n, n), bool)
    for i, j in apart:
        cannot[i, j] = cannot[j, i] = True
    none, judge = Evidence.joined([Evidence.none()] * n), ThresholdJudge(threshold)
    return TrackSet(
        vectors,
        np.ones(n) if reliability is None else np.array(reliability),
        csr_array(cannot),
        lambda some, others: judge.log_odds(vectors[some], none, vectors[others], none),
    )


def tracks_of(vectors, together, threshold):
    return track_set(vectors, apart=np.argwhere(together), threshold=threshold)


def people(count, tracks, noise, seed):
    """So many tracks each of so many people, in one array, person after person."""
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


def test_hard_cases_do_not_hang_on_the_order_either():
    """Where groups are close the first join decides much: it must be the same one."""
    vectors = people(8, 6, 1.6, seed=3)
    reliability = np.random.default_rng(4).random(len(vectors))
    apart = [(0, 1), (6, 13), (20, 30)]
    chance, results = np.random.default_rng(5), set()
    for _ in range(20):
        order = chance.permutation(len(vectors))
        place = np.argsort(order)
        moved = [(place[i], place[j]) for i, j in apart]
        found = group_tracks(track_set(vectors[order], reliability[order], moved, threshold=0.3))
        results.add(tuple(sorted(tuple(sorted(order[group].tolist())) for group in found)))
    assert len(results) == 1
    assert 8 < len(results.pop()) < 48


def test_a_weak_track_never_bridges_two_people():
    """Blurred faces lie in the middle between everybody: five of them drew two people together."""
    a, b = np.eye(DIM)[0], np.eye(DIM)[1]
    blurred = [a + b + 0.01 * np.eye(DIM)[i + 2] for i in range(5)]
    vectors = np.array([a, a, b, b, *blurred])
    strong = group_tracks(track_set(vectors))
    assert any(len({0, 2} & set(group)) == 2 for group in strong)  # so they would without care
    found = group_tracks(track_set(vectors, [0.9] * 4 + [0.1] * 5))
    assert [0, 1] in found and [2, 3] in found


def test_a_weak_track_joins_whom_it_clearly_resembles():
    a, b = np.eye(DIM)[0], np.eye(DIM)[1]
    vectors = np.array([a, a, b, b, a + 0.3 * b])
    assert group_tracks(track_set(vectors, [0.9] * 4 + [0.1])) == [[0, 1, 4], [2, 3]]


def test_weak_tracks_that_are_seen_together_are_two():
    a = np.eye(DIM)[0]
    vectors = np.array([a, a, a, a])
    found = group_tracks(track_set(vectors, [0.9, 0.9, 0.1, 0.1], apart=[(2, 3)]))
    assert sorted(map(len, found)) == [1, 3]


def test_all_tracks_may_be_weak():
    vectors = people(3, 4, 0.1, seed=7)
    found = group_tracks(track_set(vectors, np.full(12, 0.1)))
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.parametrize("n", [0, 1])
def test_few_tracks(n):
    assert group_tracks(track_set(np.ones((n, DIM)))) == [[i] for i in range(n)]


def test_people_seen_together_are_never_joined():
    vectors = np.eye(3, DIM, dtype=np.float32)
    vectors[1] = vectors[0]
    together = np.zeros((3, 3), bool)
    assert group_tracks(tracks_of(vectors, together, 0.5)) == [[0, 1], [2]]
    together[0, 1] = together[1, 0] = True
    assert group_tracks(tracks_of(vectors, together, 0.5)) == [[0], [1], [2]]


def test_being_seen_together_is_inherited_by_the_group():
    """0 and 1 join; 2 was seen beside 1 and so stays apart, however much it looks like 0."""
    vectors = np.zeros((3, DIM), np.float32)
    vectors[:, 0] = 1
    together = np.zeros((3, 3), bool)
    together[1, 2] = together[2, 1] = True
    groups = group_tracks(tracks_of(vectors, together, 0.5))
    assert sorted(map(len, groups)) == [1, 2]
    assert not any({1, 2} <= set(g) for g in groups)


def joined_plainly(vectors, together, threshold):
    """All pairs of groups, all pairs of their tracks, each time."""
    cosines = vectors.astype(float) @ vectors.T.astype(float)
    groups = [[i] for i in range(len(vectors))]
    while len(groups) > 1:
        means = {
            (i, j): cosines[np.ix_(groups[i], groups[j])].mean()
            for i in range(len(groups))
            for j in range(i)
            if not together[np.ix_(groups[i], groups[j])].any()
        }
        if not means or max(means.values()) < threshold:
            break
        i, j = max(means, key=means.get)
        groups[j] += groups.pop(i)
    return sorted(map(sorted, groups))


@pytest.mark.parametrize("rows", [7, 256])
@pytest.mark.parametrize("noise", [0.6, 1.0, 1.2])
def test_groups_are_those_of_all_pairs_compared(noise, rows, monkeypatch):
    """From people who are told apart easily to chains of everybody; some were seen together."""
    monkeypatch.setattr("facetrack.identity.clustering.ROWS", rows)
    random = np.random.default_rng(int(10 * noise))
    vectors = random.normal(size=(9, 512))[random.integers(0, 9, 60)]
    vectors += noise * random.normal(size=vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    together = np.triu(random.random((60, 60)) < 0.02, 1)
    together |= together.T
    expected = joined_plainly(vectors, together, 0.4)
    assert group_tracks(tracks_of(vectors, together, 0.4)) == expected
    assert 9 <= len(expected) < 60


def test_linkage_is_the_average():
    """1 is like 0 and like 2, which are unlike: the chain 0-1-2 must not become one person."""
    angle = np.radians([0, 50, 100])
    vectors = np.zeros((3, DIM), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angle), np.sin(angle)
    assert len(group_tracks(tracks_of(vectors, np.zeros((3, 3), bool), 0.5))) == 2
