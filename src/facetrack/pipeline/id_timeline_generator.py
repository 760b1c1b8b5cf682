"""Chunks to the ID timeline: joins tracklets to tracks, and the tracks of one person.

Each track is either one of a person's or listed in ``Timeline.dropped`` with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from facetrack.core.frame_range import union
from facetrack.core.settings import IdentitySettings, TrackingSettings
from facetrack.core.types import Float32
from facetrack.identity.similarity import scorer_of
from facetrack.pipeline.chunk_result import ChunkResult
from facetrack.pipeline.face_analyzer import AnalyzedFrames
from facetrack.pipeline.stitch import Stitcher
from facetrack.pipeline.track_groups import TrackGroups
from facetrack.pipeline.track_rows import face_table, why_dropped, why_no_face
from facetrack.pipeline.tracklet import Portrait, Tracklet
from facetrack.recognition.track_embedding import mean_embedding
from facetrack.timeline import Dropped, Interval, Person, Split
from facetrack.timeline import Track as TrackSummary
from facetrack.timeline.parts import RecognizerInfo, most_first, person_with_intervals


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
    """Takes the results of chunks in order; makes the timeline after the last one."""

    def __init__(
        self,
        recognizer: RecognizerInfo,
        featureless: Float32,
        tracking: TrackingSettings,
        identity: IdentitySettings,
    ) -> None:
        """
        Args:
            recognizer: made the embeddings.
            featureless: ``(dim,)`` as ``FaceEmbedder.featureless``.
            tracking: which tracks are good enough to be a person's.
            identity: when two tracks are one person.
        """
        self._recognizer, self._featureless = recognizer, featureless
        self._tracking = tracking
        self._stitcher = Stitcher(tracking, identity.faces_per_track)
        self._tracks: list[Tracklet] = []
        self._dropped: dict[int, Dropped] = {}
        self._groups = TrackGroups(recognizer.dim, scorer_of(recognizer.calibration, identity))
        """The tracks that are not dropped."""
        self._portraits: dict[int, Portrait] = {}
        """By track."""
        self.frames = AnalyzedFrames()
        """Of all chunks so far."""

    @property
    def people_so_far(self) -> int:
        """Number of people by the last count, of the tracks that have ended."""
        return self._groups.people_so_far

    def add(self, result: ChunkResult) -> None:
        """Takes the result of the next chunk."""
        self.frames.extend(result.frames)
        self._register(self._stitcher.add(result))

    def finish(self, end_s: float) -> Timeline:
        """The timeline of all tracks.

        ``end_s``: when the last frame ends.
        """
        self._register(self._stitcher.finish())
        self._number_parts()
        edges_s = [*self.frames.times_s, end_s]
        person_of, people, intervals = self._name_people(self.frames.first_frame, edges_s)
        tracks = sorted(self._tracks, key=lambda t: t.id)
        evidence = self._groups.evidence_by_id()
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
            splits=[Split(a.id, b.id, b.first_frame) for a, b in self._stitcher.splits],
            faces=face_table(tracks, person_of),
            embeddings=self._groups.by_id(),
            thumbnails=self._thumbnails(person_of),
        )  # fmt: skip

    def _register(self, tracks: Sequence[Tracklet]) -> None:
        """Takes tracks that have ended: each is dropped, or may be a person's."""
        for track in tracks:
            self._tracks.append(track)
            dropped, embedding = track.dropped, track.embedding
            if track.is_open:  # its chunk could not say
                dropped = why_dropped(track, self._tracking) or self._why_no_face(track)
                if dropped is None:
                    embedding = mean_embedding(track.in_time, self._recognizer.name)
            if dropped is not None:
                self._dropped[track.id] = replace(dropped, track=track.id)
                continue
            assert embedding is not None
            self._groups.put(track, embedding)
            if track.portrait is not None:
                self._portraits[track.id] = track.portrait
            track.faces.clear()
            track.portrait = None

    def _why_no_face(self, track: Tracklet) -> Dropped | None:
        recognizer = self._recognizer
        return why_no_face(
            track, track.in_time, recognizer.name, recognizer.calibration, self._featureless
        )

    def _number_parts(self) -> None:
        """Gives the parts of split tracks ids that follow those of all tracks.

        Until then they have negative ids: the tracker still gives out positive ones.
        """
        number = max((t.id for t in self._tracks), default=0)
        for _, part in self._stitcher.splits:
            number += 1
            if part.id in self._portraits:
                self._portraits[number] = self._portraits.pop(part.id)
            if part.id in self._dropped:
                self._dropped[number] = replace(self._dropped.pop(part.id), track=number)
            part.id = number

    def _name_people(
        self, first_frame: int, edges_s: list[float]
    ) -> tuple[dict[int, int], list[Person], list[Interval]]:
        """Numbers people by their screen time.

        Returns:
            The person of each track by its id, the people, and their intervals in order of time.
        """
        groups = [
            (union([(t.first_frame, t.last_frame + 1) for t in g]), g)
            for g in self._groups.groups()
        ]
        groups.sort(key=lambda group: (most_first(group[0]), min(t.id for t in group[1])))
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
        best: dict[int, Portrait] = {}
        for track, image in self._portraits.items():
            of_person = best.setdefault(person_of[track], image)
            if image[0] > of_person[0]:
                best[person_of[track]] = image
        return {person: best[person][1] for person in sorted(best)}
