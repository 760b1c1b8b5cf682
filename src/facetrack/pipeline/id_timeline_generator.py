"""Tracks to people: embeds each track's best faces, and joins the tracks of one person.

Each track is either one of a person's or listed in ``Timeline.dropped`` with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from facetrack.core.frame_range import union
from facetrack.core.settings import IdentitySettings, TrackingSettings
from facetrack.core.types import Float32
from facetrack.identity.clustering import group_tracks
from facetrack.identity.embedding_groups import EmbeddingSet, track_set
from facetrack.identity.similarity import scorer_of
from facetrack.pipeline.track_crops import (
    FIRST_CROPS,
    embedded_in_time,
    first_crops,
    in_time,
    thumbnail_jpeg,
)
from facetrack.pipeline.track_rows import face_table, why_dropped
from facetrack.recognition.face_crop import FaceCrop, prepare
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.recognition.portrait import portrait
from facetrack.recognition.track_embedding import changes
from facetrack.timeline import Dropped, Interval, Person, Split
from facetrack.timeline import Track as TrackSummary
from facetrack.timeline.parts import most_first, person_with_intervals
from facetrack.tracking.track_embeddings import TrackEmbeddings
from facetrack.tracking.tracks import Track

SURELY_A_FACE = 0.985
"""Median detection score from which a track is not checked by the recogniser: of hands, hair and
coats of arms in two films the highest was 0.970."""
UNSURE = 2.0
"""Log-odds: all crops of a track are embedded if those of its most similar track are at most so far
from the limit for one person."""
MAX_PAIRS_PER_TRACK = 5000
"""Progress recounts people after n new tracks; n is the number of pairs divided by this."""


@dataclass(frozen=True)
class Timeline:
    """Who is on screen when: the part of an ``Analysis`` that is made of the tracks.

    The fields are those of ``Analysis``.
    """

    people: list[Person]
    tracks: list[TrackSummary]
    intervals: list[Interval]
    dropped: list[Dropped]
    splits: list[Split]
    faces: pa.Table
    embeddings: dict[int, Float32]
    thumbnails: dict[int, bytes]


class IdTimelineGenerator:
    """Takes tracks as they end; makes the timeline after the last one."""

    def __init__(
        self,
        embedder: FaceEmbedder,
        tracking: TrackingSettings,
        identity: IdentitySettings,
    ) -> None:
        """
        Args:
            embedder: for the tracks' face crops.
            tracking: which tracks are good enough to be a person's.
            identity: when two tracks are one person.
        """
        self._embedder = embedder
        self._tracking = tracking
        self._scorer = scorer_of(embedder.calibration, identity)
        self._tracks: list[Track] = []
        self._dropped: dict[int, Dropped] = {}
        self._splits: list[tuple[Track, Track]] = []
        """The parts of tracks that were split: before the change, and after it."""
        self._embeddings = TrackEmbeddings(embedder.dim)
        """Of the tracks that are not dropped."""
        self._portraits: dict[int, tuple[float, bytes]] = {}
        """By track the quality of its portrait, and its JPEG: pixels of all would be too much."""
        self._counted = (0, 0)
        """Number of tracks when people were last counted, and number of people."""
        self.embedded_faces = 0
        """Face crops that were embedded for ended tracks."""

    @property
    def people_so_far(self) -> int:
        """Number of people by the last count.

        A count compares all pairs of tracks. So in a long video it is not repeated for each track:
        the whole would grow with the cube of its length.
        """
        tracks, (counted, _) = len(self._embeddings.tracks), self._counted
        if tracks > counted and (tracks - counted) * MAX_PAIRS_PER_TRACK >= counted**2:
            self._counted = (tracks, len(self._groups()))
        return self._counted[1]

    def add(self, tracks: Sequence[Track]) -> None:
        """Takes tracks that ended together: drops or splits them where needed, and embeds them.

        Their face crops are released.
        """
        kept = [track for track in tracks if self._is_kept(track)]
        self._embed(kept, {t.id: first_crops(t) for t in kept})
        parts = [p for track in kept for p in self._split(track) if self._is_face(p)]
        self._put_means(parts)
        unsure = [t for t in parts if len(t.crops) > FIRST_CROPS and self._is_unsure(t)]
        self._embed(unsure, {t.id: in_time(t) for t in unsure})
        self._put_means(unsure)
        prepare([crop for track in parts for crop in embedded_in_time(track)])
        for track in parts:
            self._portraits[track.id] = self._portrait(track)
        for track in (*tracks, *parts):
            track.crops.clear()

    def finish(self, first_frame: int, times_s: list[float], end_s: float) -> Timeline:
        """The timeline of all tracks.

        Args:
            first_frame: index of the first frame of the run.
            times_s: ``times_s[i]`` is the presentation time of frame ``first_frame + i``.
            end_s: when the last frame ends.
        """
        self._number_parts()
        edges_s = [*times_s, end_s]
        person_of, people, intervals = self._name_people(first_frame, edges_s)
        tracks = sorted(self._tracks, key=lambda t: t.id)
        evidence = self._embeddings.evidence_by_id()
        return Timeline(
            people=people,
            tracks=[
                TrackSummary(
                    t.id, person_of.get(t.id, 0), t.first_frame, t.last_frame,
                    **(evidence[t.id].to_dict() if t.id in evidence else {}),
                )
                for t in tracks
            ],
            intervals=intervals,
            dropped=[self._dropped[t.id] for t in tracks if t.id in self._dropped],
            splits=[Split(a.id, b.id, b.first_frame) for a, b in self._splits],
            faces=face_table(tracks, person_of),
            embeddings=self._embeddings.by_id(),
            thumbnails=self._thumbnails(person_of),
        )  # fmt: skip

    def _is_kept(self, track: Track) -> bool:
        """Registers the track; whether it is not dropped."""
        self._tracks.append(track)
        dropped = why_dropped(track, self._tracking)
        if dropped is not None:
            self._dropped[track.id] = dropped
        return dropped is None

    def _embed(self, tracks: list[Track], crops: dict[int, list[FaceCrop]]) -> None:
        wanted = [crop for track in tracks for crop in crops[track.id]]
        self.embedded_faces += self._embedder.embed(wanted)

    def _split(self, track: Track) -> list[Track]:
        """The track, or its parts if it shows one person after another; without those that are
        dropped."""
        crops = embedded_in_time(track)
        if not changes(crops, self._embedder.calibration, track.breaks):
            return [track]
        self._embed([track], {track.id: in_time(track)})
        crops = in_time(track)
        parts = [track]
        for k in changes(crops, self._embedder.calibration, list(track.breaks)):
            at = parts[-1].break_between(crops[k - 1].frame, crops[k].frame)
            rest = parts[-1].split_at(at, -1 - len(self._splits))
            self._splits.append((parts[-1], rest))
            parts.append(rest)
        self._tracks.remove(track)
        return [part for part in parts if self._is_kept(part)]

    def _is_face(self, track: Track) -> bool:
        """Whether the track's embedding differs from those of crops without features. A track with
        a high detection score is not checked."""
        scores = track.rows["score"][track.detected]
        if float(np.median(scores)) >= SURELY_A_FACE:
            return True
        mean = self._embedder.mean(embedded_in_time(track)).vector
        similarity = float(mean @ self._embedder.featureless)
        limit = self._embedder.calibration.featureless
        if similarity < limit:
            return True
        detail = f"similarity {similarity:.2f} to crops without features, below {limit:.2f} needed"
        self._dropped[track.id] = Dropped(
            track.id, "not a face", detail, track.first_frame, track.last_frame
        )
        return False

    def _number_parts(self) -> None:
        """Gives the parts of split tracks ids that follow those of all tracks.

        Until then they have negative ids: the tracker still gives out positive ones.
        """
        number = max((t.id for t in self._tracks), default=0)
        for _, part in self._splits:
            number += 1
            if part.id in self._portraits:
                self._portraits[number] = self._portraits.pop(part.id)
            if part.id in self._dropped:
                self._dropped[number] = replace(self._dropped.pop(part.id), track=number)
            part.id = number

    def _put_means(self, tracks: list[Track]) -> None:
        """Keeps the mean embedding of each track's embedded crops."""
        for track in tracks:
            self._embeddings.put(track, self._embedder.mean(embedded_in_time(track)))

    def _portrait(self, track: Track) -> tuple[float, bytes]:
        """Quality and JPEG of the face that is shown for the track."""
        quality, best = portrait(embedded_in_time(track), self._embeddings.vector(track))
        return quality, thumbnail_jpeg(best)

    def _is_unsure(self, track: Track) -> bool:
        """Whether the best match is near the limit: neither surely the same person nor surely
        another."""
        position, candidates = self._embeddings.candidates(track)
        if not len(candidates):
            return False
        odds = self._embedding_set.log_odds(np.array([position]), candidates, self._scorer)
        return abs(float(odds.max()) - self._scorer.min_log_odds) < UNSURE

    @property
    def _embedding_set(self) -> EmbeddingSet:
        return EmbeddingSet(self._embeddings.embeddings, self._embeddings.evidence)

    def _groups(self) -> list[list[Track]]:
        """The tracks of each person."""
        cannot_link = self._embeddings.cannot_link()
        groups = group_tracks(track_set(self._embedding_set, cannot_link, self._scorer))
        return [[self._embeddings.tracks[i] for i in group] for group in groups]

    def _name_people(
        self, first_frame: int, edges_s: list[float]
    ) -> tuple[dict[int, int], list[Person], list[Interval]]:
        """Numbers people by their screen time.

        Returns:
            The person of each track by its id, the people, and their intervals in order of time.
        """
        groups = [
            (union([(t.first_frame, t.last_frame + 1) for t in g]), g) for g in self._groups()
        ]
        groups.sort(key=lambda group: most_first(group[0]))
        person_of: dict[int, int] = {}
        people: list[Person] = []
        intervals: list[Interval] = []
        for number, (ranges, group) in enumerate(groups, start=1):
            person_of.update((t.id, number) for t in group)
            person, of_person = person_with_intervals(number, ranges, first_frame, edges_s)
            people.append(person)
            intervals += of_person
        intervals.sort(key=lambda i: (i.start_frame, i.person))
        return person_of, people, intervals

    def _thumbnails(self, person_of: dict[int, int]) -> dict[int, bytes]:
        """JPEG of each person's best portrait."""
        best: dict[int, tuple[float, bytes]] = {}
        for track, image in self._portraits.items():
            of_person = best.setdefault(person_of[track], image)
            if image[0] > of_person[0]:
                best[person_of[track]] = image
        return {person: best[person][1] for person in sorted(best)}
