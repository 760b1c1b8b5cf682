"""The tracks of a chunk to tracklets: embeds the best faces of each, and splits it where another
person follows."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from facetrack.core.settings import IdentitySettings, TrackingSettings
from facetrack.identity.similarity import scorer_of
from facetrack.pipeline.chunk_plan import Chunk
from facetrack.pipeline.track_groups import TrackGroups
from facetrack.pipeline.track_rows import why_dropped, why_no_face
from facetrack.pipeline.tracklet import Tracklet
from facetrack.recognition.embedded_face import KeptFace
from facetrack.recognition.face_crop import FaceCrop, prepare
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.recognition.portrait import portrait
from facetrack.recognition.track_embedding import TrackEmbedding, changes, mean_embedding
from facetrack.timeline import Dropped
from facetrack.tracking.tracks import Track

FIRST_CROPS = 5
"""Crops of a track that are embedded in any case, spread evenly over it."""
DIM, MAX_GAIN = 60.0, 5.0
"""Mean brightness (of 255) to which a darker thumbnail is brought, and the highest factor by which
it is brightened."""
UNSURE = 2.0
"""Log-odds: all crops of a track are embedded if those of its most similar track are at most so far
from the limit for one person."""


@dataclass
class _Part:
    """A track, or the part of one that shows one person."""

    track: Track
    split_from: int | None
    open_before: bool
    open_after: bool

    @property
    def is_open(self) -> bool:
        return self.open_before or self.open_after


class TrackletMaker:
    """Takes the tracks of a chunk as they end."""

    def __init__(
        self,
        embedder: FaceEmbedder,
        tracking: TrackingSettings,
        identity: IdentitySettings,
        chunk: Chunk | None = None,
    ) -> None:
        """
        Args:
            embedder: for the tracks' face crops.
            tracking: which tracks are good enough to be a person's.
            identity: when two tracks are one person.
            chunk: what is analysed; None: the whole film.
        """
        self._embedder = embedder
        self._tracking = tracking
        self._scorer = scorer_of(embedder.calibration, identity)
        self._chunk = chunk
        self._groups = TrackGroups(embedder.dim, self._scorer)
        self._splits = 0
        self.tracklets: list[Tracklet] = []
        """In the order in which they ended."""
        self.embedded_faces = 0
        """Face crops that were embedded for ended tracks."""

    @property
    def people_so_far(self) -> int:
        """Number of people in the chunk by the last count."""
        return self._groups.people_so_far

    def add(self, tracks: Sequence[Track]) -> None:
        """Takes tracks that ended together: drops or splits them where needed, and embeds them.

        A track that may go on in a neighbouring chunk is not dropped, however short it is, and all
        its crops are embedded. The face crops of all are released.
        """
        whole = [_Part(track, None, *self._open(track)) for track in tracks]
        kept = [part for part in whole if not self._is_dropped(part)]
        self._embed(
            {p.track: _in_time(p.track) if p.is_open else _first_crops(p.track) for p in kept}
        )
        parts = [p for part in kept for p in self._split(part) if not self._is_no_face(p)]
        means = {p.track: self._put_mean(p.track) for p in parts}
        unsure = [p.track for p in parts if self._is_unsure(p.track)]
        self._embed({track: _in_time(track) for track in unsure})
        means |= {track: self._put_mean(track) for track in unsure}
        prepare([crop for part in parts for crop in _embedded_in_time(part.track)])
        for part in parts:
            self._keep(part, means[part.track])
        for track in (*tracks, *(part.track for part in parts)):
            track.crops.clear()

    def _open(self, track: Track) -> tuple[bool, bool]:
        """Whether the track may have been there before the chunk, and may go on after it."""
        chunk, max_gap = self._chunk, self._tracking.max_gap
        if chunk is None:
            return False, False
        before = not chunk.begins and track.first_frame <= chunk.first + max_gap
        return before, not chunk.ends and track.last_frame >= chunk.stop - max_gap

    def _embed(self, crops: dict[Track, list[FaceCrop]]) -> None:
        wanted = [crop for of_track in crops.values() for crop in of_track]
        self.embedded_faces += self._embedder.embed(wanted)

    def _is_dropped(self, part: _Part) -> bool:
        if part.is_open:
            return False
        return self._drop(part, why_dropped(part.track, self._tracking))

    def _drop(self, part: _Part, dropped: Dropped | None) -> bool:
        """Keeps a part that is dropped without embedding; whether there is a reason to drop it."""
        if dropped is not None:
            track = part.track
            self.tracklets.append(
                Tracklet(track.id, track.rows, split_from=part.split_from, dropped=dropped)
            )
        return dropped is not None

    def _split(self, part: _Part) -> list[_Part]:
        """The track, or its parts if it shows one person after another; without those that are
        dropped."""
        track, calibration = part.track, self._embedder.calibration
        if not changes(_embedded_in_time(track), calibration, track.breaks):
            return [part]
        self._embed({track: _in_time(track)})
        crops = _in_time(track)
        parts, goes_on = [part], part.open_after
        for k in changes(crops, calibration, list(track.breaks)):
            last = parts[-1].track
            at = last.break_between(crops[k - 1].frame, crops[k].frame)
            self._splits += 1
            rest = last.split_at(at, -self._splits)
            parts[-1].open_after = False
            parts.append(_Part(rest, last.id, False, goes_on))
        return [part for part in parts if not self._is_dropped(part)]

    def _is_no_face(self, part: _Part) -> bool:
        if part.is_open:
            return False
        faces = _embedded_in_time(part.track)
        embedder = self._embedder
        why = why_no_face(
            part.track, faces, embedder.name, embedder.calibration, embedder.featureless
        )
        return self._drop(part, why)

    def _put_mean(self, track: Track) -> TrackEmbedding:
        """The mean embedding of the track's embedded crops."""
        mean = mean_embedding(_embedded_in_time(track), self._embedder.name)
        self._groups.put(track, mean)
        return mean

    def _is_unsure(self, track: Track) -> bool:
        """Whether the best match is near the limit: neither surely the same person nor surely
        another."""
        if len(track.crops) <= FIRST_CROPS:
            return False
        highest = self._groups.highest_log_odds(track)
        return highest is not None and abs(highest - self._scorer.min_log_odds) < UNSURE

    def _keep(self, part: _Part, mean: TrackEmbedding) -> None:
        track, faces = part.track, {}
        quality, best = portrait(_embedded_in_time(track), mean.vector)
        if part.is_open:
            faces = {slot: KeptFace.of(crop) for slot, crop in track.crops.items()}
        self.tracklets.append(
            Tracklet(
                track.id,
                track.rows,
                track.breaks,
                faces,
                part.split_from,
                part.open_before,
                part.open_after,
                embedding=mean,
                portrait=(quality, _thumbnail_jpeg(best)),
            )
        )


def _in_time(track: Track) -> list[FaceCrop]:
    """The track's crops in order of time."""
    return sorted(track.crops.values(), key=lambda crop: crop.frame)


def _embedded_in_time(track: Track) -> list[FaceCrop]:
    """The track's crops that have an embedding, in order of time."""
    return [crop for crop in _in_time(track) if crop.embedding is not None]


def _first_crops(track: Track) -> list[FaceCrop]:
    """The crops of a track that are embedded in any case.

    ``FIRST_CROPS`` spread evenly over the track, and the best one of each part between its breaks.
    """
    crops = _in_time(track)
    spread = np.linspace(0, len(crops) - 1, min(FIRST_CROPS, len(crops))).round().astype(int)
    wanted = {crops[i].frame for i in spread.tolist()}
    if track.breaks:
        best: dict[int, FaceCrop] = {}
        for (part, _), crop in track.crops.items():
            if part not in best or crop.pose > best[part].pose:
                best[part] = crop
        wanted |= {crop.frame for crop in best.values()}
    return [crop for crop in crops if crop.frame in wanted]


def _thumbnail_jpeg(crop: FaceCrop) -> bytes:
    """The crop's thumbnail as JPEG, brightened if it is dark."""
    stream = io.BytesIO()
    shown = crop.thumbnail
    if (brightness := float(shown.mean())) < DIM:
        gain = min(DIM / max(brightness, 1.0), MAX_GAIN)
        shown = np.clip(shown * gain, 0, 255).astype(np.uint8)
    Pillow.fromarray(shown).save(stream, "JPEG", quality=92)
    return stream.getvalue()
