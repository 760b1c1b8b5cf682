"""Tracks with their embeddings, and the groups of them that are one person each."""

import numpy as np

from facetrack.identity.clustering import group_tracks
from facetrack.identity.embedding_groups import EmbeddingSet, track_set
from facetrack.identity.similarity import PairScorer
from facetrack.tracking.rows import RowsOfTrack
from facetrack.tracking.track_embeddings import TrackEmbeddings

MAX_PAIRS_PER_TRACK = 5000
"""People are counted again after n new tracks; n is the number of pairs divided by this."""


class TrackGroups(TrackEmbeddings):
    """Tracks that may be a person, and who is one person with whom."""

    def __init__(self, dim: int, scorer: PairScorer) -> None:
        """
        Args:
            dim: numbers of an embedding.
            scorer: when two tracks are one person.
        """
        super().__init__(dim)
        self._scorer = scorer
        self._counted = (0, 0)
        """Number of tracks when people were last counted, and number of people."""

    @property
    def people_so_far(self) -> int:
        """Number of people by the last count.

        A count compares all pairs of tracks. So in a long video it is not repeated for each track:
        the whole would grow with the cube of its length.
        """
        tracks, (counted, _) = len(self.tracks), self._counted
        if tracks > counted and (tracks - counted) * MAX_PAIRS_PER_TRACK >= counted**2:
            self._counted = (tracks, len(self.groups()))
        return self._counted[1]

    def groups(self) -> list[list[RowsOfTrack]]:
        """The tracks of each person."""
        every = EmbeddingSet(self.embeddings, self.evidence)
        groups = group_tracks(track_set(every, self.cannot_link(), self._scorer))
        return [[self.tracks[i] for i in group] for group in groups]

    def highest_log_odds(self, track: RowsOfTrack) -> float | None:
        """Log-odds that the track and the most similar one that may be the same person are one;
        None: there is no such track."""
        position, candidates = self.candidates(track)
        if not len(candidates):
            return None
        every = EmbeddingSet(self.embeddings, self.evidence)
        return float(every.log_odds(np.array([position]), candidates, self._scorer).max())
