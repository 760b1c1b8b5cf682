"""Tracks to people: embeds each track's best faces, joins tracks, writes down who is when.

Nothing vanishes silently: a track that becomes nobody is listed with its reason.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from PIL import Image as Pillow

from facetrack.analysis import (
    FACE_COLUMNS,
    Dropped,
    Interval,
    Person,
    TrackSummary,
)
from facetrack.people.presence import appearance, joined, most_first
from facetrack.recognition.embedder import Embedder
from facetrack.recognition.face_crop import FaceCrop, embed_crops
from facetrack.settings import IdentitySettings, TrackingSettings
from facetrack.tracking.identities import group_tracks
from facetrack.tracking.known import KnownTracks
from facetrack.tracking.rows import joined_rows
from facetrack.tracking.tracks import Track
from facetrack.types import Float32

FIRST_CROPS = 3
"""Crops of a track that are embedded in any case."""
UNSURE = 0.12
"""Cosine within which of the threshold a track's closest other one calls for more crops."""
PAIRS_A_TRACK = 5000
"""Pairs of tracks that are looked at to count people for progress, for each new track."""


@dataclass(frozen=True)
class Timeline:
    """Who is on screen when: the part of an ``Analysis`` that comes of the tracks."""

    people: list[Person]
    tracks: list[TrackSummary]
    intervals: list[Interval]
    dropped: list[Dropped]
    faces: pa.Table
    embeddings: dict[int, Float32]
    thumbnails: dict[int, bytes]


class IdTimelineGenerator:
    """Takes ended tracks one by one, and in the end says who is who."""

    def __init__(
        self,
        embedder: Embedder,
        tracking: TrackingSettings,
        identity: IdentitySettings,
    ) -> None:
        self._embedder = embedder
        self._tracking = tracking
        self._identity = identity
        self._tracks: list[Track] = []
        self._dropped: dict[int, Dropped] = {}
        self._known = KnownTracks(embedder.dim)
        self._best: dict[int, tuple[float, bytes]] = {}
        """Of each track the quality of its best crop, and its JPEG: pixels would add up."""
        self._counted = (0, 0)
        """Tracks that were known when people were counted, and the people."""
        self.embedded_faces = 0

    @property
    def people_so_far(self) -> int:
        """As of the last count, which may be some tracks ago in a long video: a count looks at all
        pairs of tracks, and one a track would make the whole grow with the cube of its length."""
        tracks, (counted, _) = len(self._known.tracks), self._counted
        if tracks > counted and (tracks - counted) * PAIRS_A_TRACK >= counted**2:
            self._counted = (tracks, len(self._groups()))
        return self._counted[1]

    def add(self, tracks: Sequence[Track]) -> None:
        """Judges and embeds tracks that ended together; their crops but the best are let go."""
        kept = []
        for track in tracks:
            self._tracks.append(track)
            dropped = why_dropped(track, self._tracking)
            if dropped is not None:
                self._dropped[track.id] = dropped
            else:
                kept.append(track)
                best = track.best_crop
                self._best[track.id] = (best.quality, _jpeg(best))
        self._embed_best(kept)
        for track in tracks:
            track.crops.clear()

    def finish(self, first_frame: int, times_s: list[float], end_s: float) -> Timeline:
        """The timeline; ``times_s[i]`` is the time of frame ``first_frame + i``."""
        edges_s = [*times_s, end_s]
        person_of, people, intervals = self._name_people(first_frame, edges_s)
        tracks = sorted(self._tracks, key=lambda t: t.id)
        return Timeline(
            people=people,
            tracks=[
                TrackSummary(t.id, person_of.get(t.id, 0), t.first_frame, t.last_frame)
                for t in tracks
            ],
            intervals=intervals,
            dropped=[self._dropped[t.id] for t in tracks if t.id in self._dropped],
            faces=face_table(tracks, person_of),
            embeddings=self._known.by_id(),
            thumbnails=self._thumbnails(person_of),
        )

    def _embed_best(self, tracks: list[Track]) -> None:
        """The few best crops of each; the rest too of those that may or may not be somebody."""
        best = {t.id: sorted(t.crops.values(), key=lambda c: (-c.quality, c.frame)) for t in tracks}
        self._know(tracks, {t: crops[:FIRST_CROPS] for t, crops in best.items()})
        more = [t for t in tracks if len(t.crops) > FIRST_CROPS and self._is_unsure(t)]
        self._know(more, best)

    def _know(self, tracks: list[Track], crops: dict[int, list[FaceCrop]]) -> None:
        """Each track by these of its crops."""
        self.embedded_faces += embed_crops([c for t in tracks for c in crops[t.id]], self._embedder)
        for track in tracks:
            self._known.put(track, _mean(crops[track.id]))

    def _is_unsure(self, track: Track) -> bool:
        """Whether the most similar track that may be the same person is near the threshold."""
        alike, may = self._known.alike(track)
        if not may.any():
            return False
        return abs(float(alike[may].max()) - self._identity.threshold) < UNSURE

    def _groups(self) -> list[list[Track]]:
        known = self._known
        groups = group_tracks(known.embeddings, known.together(), self._identity.threshold)
        return [[known.tracks[i] for i in group] for group in groups]

    def _name_people(
        self, first_frame: int, edges_s: list[float]
    ) -> tuple[dict[int, int], list[Person], list[Interval]]:
        groups = [
            (joined([(t.first_frame, t.last_frame + 1) for t in g]), g) for g in self._groups()
        ]
        groups.sort(key=lambda found: most_first(found[0]))
        person_of: dict[int, int] = {}
        people: list[Person] = []
        intervals: list[Interval] = []
        for number, (stretches, group) in enumerate(groups, start=1):
            person_of.update((t.id, number) for t in group)
            person, spans = appearance(number, stretches, first_frame, edges_s)
            people.append(person)
            intervals += spans
        intervals.sort(key=lambda i: (i.start_frame, i.person))
        return person_of, people, intervals

    def _thumbnails(self, person_of: dict[int, int]) -> dict[int, bytes]:
        best: dict[int, tuple[float, bytes]] = {}
        for track, crop in self._best.items():
            of_person = best.setdefault(person_of[track], crop)
            if crop[0] > of_person[0]:
                best[person_of[track]] = crop
        return {person: best[person][1] for person in sorted(best)}


def _jpeg(crop: FaceCrop) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(crop.thumbnail).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def _mean(crops: list[FaceCrop]) -> Float32:
    """``(512,)`` mean over embedded crops, weighted by their quality, of length one."""
    weights = np.array([max(c.quality, 1e-3) for c in crops], np.float32)
    mean = weights @ np.stack([c.embedding for c in crops if c.embedding is not None])
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def why_dropped(track: Track, settings: TrackingSettings) -> Dropped | None:
    """None when the track is good enough to be somebody, as seen in the frames that were looked
    at."""
    rows = track.rows[track.seen]
    height = float((rows["box"][:, 3] - rows["box"][:, 1]).max())
    score = float(np.median(rows["score"].astype(np.float64)))
    if len(rows) < settings.min_frames:
        reason, detail = "too short", f"{len(rows)} frames, {settings.min_frames} needed"
    elif height < settings.min_size:
        reason, detail = "too small", f"{height:.0f} px at most, {settings.min_size:.0f} needed"
    elif score < settings.min_score:
        reason, detail = "unsure", f"median score {score:.2f}, {settings.min_score:.2f} needed"
    else:
        return None
    return Dropped(track.id, reason, detail, track.first_frame, track.last_frame)


def face_table(tracks: Sequence[Track], person_of: dict[int, int]) -> pa.Table:
    """All rows of all tracks, ordered by frame, then track; ``tracks``: ordered by id."""
    rows = joined_rows([t.rows for t in tracks])
    lengths = [len(t.rows) for t in tracks]
    track = np.repeat(np.array([t.id for t in tracks], np.int32), lengths)
    person = np.repeat(np.array([person_of.get(t.id, 0) for t in tracks], np.int32), lengths)
    order = np.argsort(rows["frame"], kind="stable")
    rows = rows[order]
    columns = [
        pa.array(np.ascontiguousarray(column))
        for column in (
            rows["frame"],
            rows["time_s"],
            track[order],
            person[order],
            *rows["box"].T,
            rows["score"],
        )
    ]
    points = pa.array(rows["landmarks"].reshape(-1))
    columns += [pa.FixedSizeListArray.from_arrays(points, 10), pa.array(rows["source"])]
    return pa.Table.from_arrays(columns, schema=FACE_COLUMNS)
