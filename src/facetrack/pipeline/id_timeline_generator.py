"""Tracks to people: embeds each track's best faces, joins tracks, writes down who is when.

Nothing vanishes silently: a track that becomes nobody is listed with its reason.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from PIL import Image as Pillow

from facetrack.core.frame_range import union
from facetrack.core.settings import IdentitySettings, TrackingSettings
from facetrack.core.types import Float32
from facetrack.identity.clustering import group_tracks
from facetrack.identity.embedding_groups import EmbeddingSet, track_set
from facetrack.identity.similarity import scorer_of
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.recognition.portrait import portrait
from facetrack.recognition.track_embedding import changes
from facetrack.timeline import (
    FACE_COLUMNS,
    Dropped,
    Interval,
    Person,
    Split,
    TrackSummary,
)
from facetrack.timeline.presence import appearance, most_first
from facetrack.tracking.rows import joined_rows
from facetrack.tracking.track_embeddings import TrackEmbeddings
from facetrack.tracking.tracks import Track

FIRST_CROPS = 5
"""Crops of a track that are embedded in any case."""
DIM, MOST_GAIN = 60.0, 5.0
"""Mean brightness (of 255) to which the frame of a person is brought where it is darker, and how
many times brighter it becomes at most."""
BEYOND_DOUBT = 0.985
"""Median detection score from which a track is a face whatever the recogniser thinks: of hands,
hair and coats of arms in two films the highest was 0.970."""
UNSURE = 2.0
"""Log-odds of a track's closest other one, around those that decide, that call for all crops."""
PAIRS_A_TRACK = 5000
"""Pairs of tracks that are looked at to count people for progress, for each new track."""


@dataclass(frozen=True)
class Timeline:
    """Who is on screen when: the part of an ``Analysis`` that comes of the tracks."""

    people: list[Person]
    tracks: list[TrackSummary]
    intervals: list[Interval]
    dropped: list[Dropped]
    splits: list[Split]
    faces: pa.Table
    embeddings: dict[int, Float32]
    thumbnails: dict[int, bytes]


class IdTimelineGenerator:
    """Takes ended tracks one by one, and in the end says who is who."""

    def __init__(
        self,
        embedder: FaceEmbedder,
        tracking: TrackingSettings,
        identity: IdentitySettings,
    ) -> None:
        self._embedder = embedder
        self._tracking = tracking
        self._scorer = scorer_of(embedder.calibration, identity)
        self._tracks: list[Track] = []
        self._dropped: dict[int, Dropped] = {}
        self._splits: list[tuple[Track, Track]] = []
        """Tracks that were split: what is before the change, and what is after it."""
        self._known = TrackEmbeddings(embedder.dim)
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
        """Judges and embeds tracks that ended together; their crops are let go."""
        kept = [track for track in tracks if self._is_kept(track)]
        self._embed(kept, {t.id: first_crops(t) for t in kept})
        parts = [p for track in kept for p in self._split(track) if self._is_face(p)]
        self._know(parts)
        unsure = [t for t in parts if len(t.crops) > FIRST_CROPS and self._is_unsure(t)]
        self._embed(unsure, {t.id: _in_time(t) for t in unsure})
        self._know(unsure)
        for track in parts:
            self._best[track.id] = self._portrait(track)
        for track in (*tracks, *parts):
            track.crops.clear()

    def finish(self, first_frame: int, times_s: list[float], end_s: float) -> Timeline:
        """The timeline; ``times_s[i]`` is the time of frame ``first_frame + i``."""
        self._number_parts()
        edges_s = [*times_s, end_s]
        person_of, people, intervals = self._name_people(first_frame, edges_s)
        tracks = sorted(self._tracks, key=lambda t: t.id)
        evidence = self._known.evidence_by_id()
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
            embeddings=self._known.by_id(),
            thumbnails=self._thumbnails(person_of),
        )  # fmt: skip

    def _is_kept(self, track: Track) -> bool:
        """Notes the track, and why it is dropped if it is."""
        self._tracks.append(track)
        dropped = why_dropped(track, self._tracking)
        if dropped is not None:
            self._dropped[track.id] = dropped
        return dropped is None

    def _embed(self, tracks: list[Track], crops: dict[int, list[FaceCrop]]) -> None:
        wanted = [crop for track in tracks for crop in crops[track.id]]
        self.embedded_faces += self._embedder.embed(wanted)

    def _split(self, track: Track) -> list[Track]:
        """The track, or its parts where it goes over from one person to another; those that are
        good enough to be somebody."""
        crops = _embedded(track)
        if not changes(crops, self._embedder.calibration, track.breaks):
            return [track]
        self._embed([track], {track.id: _in_time(track)})
        crops = _in_time(track)
        parts = [track]
        for k in changes(crops, self._embedder.calibration, list(track.breaks)):
            at = parts[-1].break_between(crops[k - 1].frame, crops[k].frame)
            rest = parts[-1].split_at(at, -1 - len(self._splits))
            self._splits.append((parts[-1], rest))
            parts.append(rest)
        self._tracks.remove(track)
        return [part for part in parts if self._is_kept(part)]

    def _is_face(self, track: Track) -> bool:
        """Whether the recogniser sees more in it than in crops without features; asked only of
        tracks of which the detector is not quite sure."""
        scores = track.rows["score"][track.seen]
        if float(np.median(scores)) >= BEYOND_DOUBT:
            return True
        alike = float(self._embedder.mean(_embedded(track)).vector @ self._embedder.featureless)
        limit = self._embedder.calibration.featureless
        if alike < limit:
            return True
        detail = f"similarity {alike:.2f} to crops without features, below {limit:.2f} needed"
        self._dropped[track.id] = Dropped(
            track.id, "not a face", detail, track.first_frame, track.last_frame
        )
        return False

    def _number_parts(self) -> None:
        """Gives the parts of tracks that were split numbers behind those of all tracks."""
        number = max((t.id for t in self._tracks), default=0)
        for _, part in self._splits:
            number += 1
            if part.id in self._best:
                self._best[number] = self._best.pop(part.id)
            if part.id in self._dropped:
                self._dropped[number] = replace(self._dropped.pop(part.id), track=number)
            part.id = number

    def _know(self, tracks: list[Track]) -> None:
        """Each track by those of its crops that are embedded."""
        for track in tracks:
            self._known.put(track, self._embedder.mean(_embedded(track)))

    def _portrait(self, track: Track) -> tuple[float, bytes]:
        """The quality and the JPEG of the face that is shown for the track."""
        quality, best = portrait(_embedded(track), self._known.vector(track))
        return quality, _jpeg(best)

    def _is_unsure(self, track: Track) -> bool:
        """Whether the most similar track that may be the same person is neither surely the same nor
        surely another."""
        place, may = self._known.rivals(track)
        if not len(may):
            return False
        odds = self._known_embeddings.log_odds(np.array([place]), may, self._scorer)
        return abs(float(odds.max()) - self._scorer.min_log_odds) < UNSURE

    @property
    def _known_embeddings(self) -> EmbeddingSet:
        return EmbeddingSet(self._known.embeddings, self._known.evidence)

    def _groups(self) -> list[list[Track]]:
        known = self._known
        found = group_tracks(track_set(self._known_embeddings, known.together(), self._scorer))
        return [[known.tracks[i] for i in group] for group in found]

    def _name_people(
        self, first_frame: int, edges_s: list[float]
    ) -> tuple[dict[int, int], list[Person], list[Interval]]:
        groups = [
            (union([(t.first_frame, t.last_frame + 1) for t in g]), g) for g in self._groups()
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
    """The thumbnail, brightened where it is too dark to be looked at."""
    stream = io.BytesIO()
    gain = min(max(DIM / max(float(crop.thumbnail.mean()), 1.0), 1.0), MOST_GAIN)
    bright = np.clip(crop.thumbnail * gain, 0, 255).astype(np.uint8)
    Pillow.fromarray(bright).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def _in_time(track: Track) -> list[FaceCrop]:
    return sorted(track.crops.values(), key=lambda crop: crop.frame)


def _embedded(track: Track) -> list[FaceCrop]:
    """Those of the track's crops that have an embedding, in time."""
    return [crop for crop in _in_time(track) if crop.embedding is not None]


def first_crops(track: Track) -> list[FaceCrop]:
    """A few crops, evenly over the track, and the best one of each part between its breaks."""
    crops = _in_time(track)
    places = np.linspace(0, len(crops) - 1, min(FIRST_CROPS, len(crops))).round().astype(int)
    wanted = {crops[i].frame for i in places.tolist()}
    if track.breaks:
        best: dict[int, FaceCrop] = {}
        for (part, _), crop in track.crops.items():
            if part not in best or crop.pose > best[part].pose:
                best[part] = crop
        wanted |= {crop.frame for crop in best.values()}
    return [crop for crop in crops if crop.frame in wanted]


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
        reason, detail = "unsure", f"median score {score:.3f}, {settings.min_score:.2f} needed"
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
