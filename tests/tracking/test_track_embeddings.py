"""Embeddings of tracks, and which tracks cannot be one person."""

import numpy as np

from facetrack.core.settings import TrackingSettings
from facetrack.recognition.calibration import Evidence
from facetrack.recognition.track_embedding import TrackEmbedding
from facetrack.tracking.track_embeddings import TrackEmbeddings
from made.simple_faces import box, faces, follow


def embedding_of(vector):
    return TrackEmbedding(vector, Evidence.none())


def test_tracks_that_share_a_frame_cannot_be_linked():
    """The third is there only while the second is lost; the fourth comes after all."""
    first, second, third, fourth = box(50), box(150), box(250), box(350)
    frames = [faces(first, second)] * 3 + [faces(first, third)] * 3 + [faces(first, second)] * 3
    tracks = follow([*frames, *[faces(fourth)] * 3], TrackingSettings(max_gap=5))
    assert [(t.first_frame, t.last_frame) for t in tracks] == [(0, 8), (0, 8), (3, 5), (9, 11)]
    embeddings = TrackEmbeddings(512)
    for i, track in enumerate(tracks):
        embeddings.put(track, embedding_of(np.eye(1, 512, i, dtype=np.float32)[0]))
    cannot_link = np.zeros((4, 4), bool)
    for a, b in ((0, 1), (0, 2)):
        cannot_link[a, b] = cannot_link[b, a] = True
    np.testing.assert_array_equal(embeddings.cannot_link().toarray(), cannot_link)
    position, candidates = embeddings.candidates(tracks[0])
    assert (position, candidates.tolist()) == (0, [3])
    assert list(embeddings.by_id()) == [1, 2, 3, 4]


def test_a_second_embedding_replaces_the_first():
    (track,), embeddings = follow([faces(box(50))] * 2), TrackEmbeddings(2)
    for vector in ([1, 0], [0, 1]):
        embeddings.put(track, embedding_of(np.array(vector, np.float32)))
    assert embeddings.embeddings.tolist() == [[0, 1]] == [embeddings.vector(track).tolist()]


def test_room_grows_with_the_tracks():
    (track,), embeddings = follow([faces(box(50))] * 2), TrackEmbeddings(512)
    vectors = np.random.default_rng(1).random((200, 512)).astype(np.float32)
    for i, vector in enumerate(vectors):
        track.id = i
        embeddings.put(track, embedding_of(vector))
    np.testing.assert_array_equal(embeddings.embeddings, vectors)
    assert embeddings.cannot_link().sum() == 200 * 199
