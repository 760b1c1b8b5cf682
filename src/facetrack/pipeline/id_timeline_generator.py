"""Tracks to people: embeds each track's best faces, joins tracks, writes down who is when.

Nothing vanishes silently: a track that becomes nobody is listed with its reason.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image as Pillow

from facetrack.analysis import (
    FACE_COLUMNS,
    Dropped,
    Interval,
    Person,
    TrackSummary,
    thumbnail_name,
)
from facetrack.settings import IdentitySettings, TrackingSettings
from facetrack.tracking.identities import group_tracks, seen_together
from facetrack.tracking.tracks import Chip, Track
from facetrack.types import Float32

FIRST_CHIPS = 3
"""Crops of a track that are embedded in any case."""
UNSURE = 0.12
"""Cosine within which of the threshold a track's closest other one calls for more crops."""


@dataclass(frozen=True)
class Timeline:
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
        embed: Callable[[NDArray[np.uint8]], Float32],
        tracking: TrackingSettings,
        identity: IdentitySettings,
    ) -> None:
        self._embed = embed
        self._tracking = tracking
        self._identity = identity
        self._tracks: list[Track] = []
        self._dropped: dict[int, Dropped] = {}
        self._embeddings: dict[int, Float32] = {}
        self._known = _Known()
        self._best: dict[int, Chip] = {}
        self.embedded_faces = 0

    @property
    def people_so_far(self) -> int:
        return len(self._groups())

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
                self._best[track.id] = track.best_chip
        self._embed_best(kept)
        for track in tracks:
            track.chips.clear()

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
            embeddings={t: self._embeddings[t] for t in sorted(self._embeddings)},
            thumbnails={p.id: self._thumbnail(p.id, person_of) for p in people},
        )

    def _embed_best(self, tracks: list[Track]) -> None:
        """The few best crops of each; the rest too of those that may or may not be somebody."""
        for track in tracks:
            track.chips.sort(key=lambda c: (-c.quality, c.frame))
        first = self._vectors([t.chips[:FIRST_CHIPS] for t in tracks])
        for track, vectors in zip(tracks, first, strict=True):
            self._know(track, _mean(track.chips[:FIRST_CHIPS], vectors))
        unsure = [t for t in tracks if len(t.chips) > FIRST_CHIPS and self._is_unsure(t)]
        rest = self._vectors([t.chips[FIRST_CHIPS:] for t in unsure])
        before = {t.id: vectors for t, vectors in zip(tracks, first, strict=True)}
        for track, vectors in zip(unsure, rest, strict=True):
            all_vectors = np.concatenate([before[track.id], vectors])
            self._know(track, _mean(track.chips, all_vectors))

    def _know(self, track: Track, embedding: Float32) -> None:
        self._embeddings[track.id] = embedding
        self._known.put(track, embedding)

    def _vectors(self, chips: list[list[Chip]]) -> list[Float32]:
        """``(n, 512)`` for the crops of each track, all embedded together."""
        pixels = [c.pixels for of_track in chips for c in of_track]
        if not pixels:
            return [np.empty((0, 512), np.float32) for _ in chips]
        self.embedded_faces += len(pixels)
        vectors = self._embed(np.stack(pixels))
        return np.split(vectors, np.cumsum([len(c) for c in chips])[:-1])

    def _is_unsure(self, track: Track) -> bool:
        """Whether the most similar track that may be the same person is near the threshold."""
        alike = self._known.alike(self._embeddings[track.id])
        frames = {f.frame for f in track.seen}
        for i in np.argsort(-alike, kind="stable"):
            # The best few are looked at: to compare the frames of all costs more than all else.
            if frames.isdisjoint(f.frame for f in self._known.tracks[i].seen):
                return abs(float(alike[i]) - self._identity.threshold) < UNSURE
        return False

    def _groups(self) -> list[list[Track]]:
        kept = [t for t in self._tracks if t.id in self._embeddings]
        if not kept:
            return []
        together = seen_together([{f.frame for f in t.seen} for t in kept])
        vectors = np.stack([self._embeddings[t.id] for t in kept])
        groups = group_tracks(vectors, together, self._identity.threshold)
        return [[kept[i] for i in group] for group in groups]

    def _name_people(
        self, first_frame: int, edges_s: list[float]
    ) -> tuple[dict[int, int], list[Person], list[Interval]]:
        groups = [(sorted({f.frame for t in g for f in t.faces}), g) for g in self._groups()]
        groups.sort(key=lambda found: (-len(found[0]), found[0][0]))
        person_of: dict[int, int] = {}
        people: list[Person] = []
        intervals: list[Interval] = []
        for number, (frames, group) in enumerate(groups, start=1):
            person_of.update((t.id, number) for t in group)
            spans = [
                Interval(number, a, b, edges_s[a - first_frame], edges_s[b - first_frame])
                for a, b in runs(frames)
            ]
            intervals += spans
            people.append(
                Person(
                    id=number,
                    name=f"Person {number}",
                    frames=len(frames),
                    seconds=round(sum(s.end_s - s.start_s for s in spans), 6),
                    first_s=spans[0].start_s,
                    last_s=spans[-1].end_s,
                    thumbnail=f"people/{thumbnail_name(number)}",
                )
            )
        intervals.sort(key=lambda i: (i.start_frame, i.person))
        return person_of, people, intervals

    def _thumbnail(self, person: int, person_of: dict[int, int]) -> bytes:
        chips = [chip for track, chip in self._best.items() if person_of.get(track) == person]
        best = max(chips, key=lambda c: c.quality)
        stream = io.BytesIO()
        Pillow.fromarray(best.pixels).save(stream, "JPEG", quality=92)
        return stream.getvalue()


class _Known:
    """Tracks so far and their embeddings, in one array that grows."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._row: dict[int, int] = {}
        self._vectors = np.empty((64, 512), np.float32)

    def put(self, track: Track, embedding: Float32) -> None:
        """A second time: instead of the one before."""
        row = self._row.setdefault(track.id, len(self.tracks))
        if row == len(self.tracks):
            self.tracks.append(track)
        if row == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
        self._vectors[row] = embedding

    def alike(self, embedding: Float32) -> Float32:
        """``(n,)`` cosines with all. Not by BLAS: its threads would spin on every core."""
        return np.asarray(np.einsum("ij,j->i", self._vectors[: len(self.tracks)], embedding))


def _mean(chips: list[Chip], vectors: Float32) -> Float32:
    """``(512,)`` mean over the crops, weighted by their quality, of length one."""
    weights = np.array([max(c.quality, 1e-3) for c in chips], np.float32)
    mean = weights @ vectors
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def why_dropped(track: Track, settings: TrackingSettings) -> Dropped | None:
    """None when the track is good enough to be somebody."""
    faces = track.seen
    height = max(float(f.box[3] - f.box[1]) for f in faces)
    score = float(np.median([f.score for f in faces]))
    if len(faces) < settings.min_frames:
        reason, detail = "too short", f"{len(faces)} frames, {settings.min_frames} needed"
    elif height < settings.min_size:
        reason, detail = "too small", f"{height:.0f} px at most, {settings.min_size:.0f} needed"
    elif score < settings.min_score:
        reason, detail = "unsure", f"median score {score:.2f}, {settings.min_score:.2f} needed"
    else:
        return None
    return Dropped(track.id, reason, detail, track.first_frame, track.last_frame)


def runs(frames: list[int]) -> list[tuple[int, int]]:
    """Sorted frame numbers to half-open stretches without a break."""
    found: list[tuple[int, int]] = []
    for frame in frames:
        if found and found[-1][1] == frame:
            found[-1] = (found[-1][0], frame + 1)
        else:
            found.append((frame, frame + 1))
    return found


def face_table(tracks: list[Track], person_of: dict[int, int]) -> pa.Table:
    """All rows of all tracks, ordered by frame, then track."""
    rows = sorted(
        ((f, t.id) for t in tracks for f in t.faces), key=lambda row: (row[0].frame, row[1])
    )
    boxes = np.array([f.box for f, _ in rows], np.float32).reshape(-1, 4)
    points = np.array([f.landmarks for f, _ in rows], np.float32).reshape(-1)
    columns = [
        pa.array([f.frame for f, _ in rows], pa.int32()),
        pa.array([f.time_s for f, _ in rows], pa.float64()),
        pa.array([t for _, t in rows], pa.int32()),
        pa.array([person_of.get(t, 0) for _, t in rows], pa.int32()),
        *(pa.array(boxes[:, i]) for i in range(4)),
        pa.array([f.score for f, _ in rows], pa.float32()),
        pa.FixedSizeListArray.from_arrays(pa.array(points, pa.float32()), 10),
        pa.array([f.source for f, _ in rows], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=FACE_COLUMNS)
