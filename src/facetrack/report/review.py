"""Uncertain cases that a person should check, each with the command that corrects it."""

import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from facetrack.core.errors import FacetrackError
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.uncertain import mending_command, uncertain
from facetrack.report.template import clock, label
from facetrack.timeline import Analysis, FaceCrops, Uncertain

SIDE = 112
"""Pixels of a track's face: shown at 64 CSS pixels, so it is sharp on high-density screens too."""
MARGIN = 0.3
"""As in ``Analysis.face_crops``."""
TIMES_SHOWN = 3
"""Maximum number of uncertain tracks whose times are written out."""


@dataclass(frozen=True)
class ReviewEntry:
    """One uncertain case as the page shows it."""

    track_faces: dict[int, bytes]
    """Track to a JPEG of its best face, one track of each side; empty if the video is gone."""
    people: dict[int, str]
    """Person to label; their thumbnails are shown if ``track_faces`` is empty."""
    question: str
    explanation: str
    probability: float
    """That both sides are the same person, 0 to 1."""
    condition: str
    """When to use the command: ``If so`` or ``If not``, in answer to the question."""
    command: str


def review_entries(
    analysis: Analysis, similarity: PeopleSimilarity, folder: Path
) -> list[ReviewEntry]:
    """People who may be the same person, and tracks that may be another person's.

    Args:
        similarity: of this analysis.
        folder: of the analysis, for the commands.
    """
    entries = uncertain(analysis, similarity)
    shown = [_tracks_shown(entry, similarity) for entry in entries]
    faces = track_faces(analysis, {track for tracks in shown for track in tracks})
    place = shlex.quote(str(folder.absolute()))
    labels = {p.id: label(p) for p in analysis.people}
    return [
        _entry(entry, {t: faces[t] for t in tracks if t in faces}, analysis, labels, place)
        for entry, tracks in zip(entries, shown, strict=True)
    ]


def track_faces(analysis: Analysis, tracks: set[int]) -> dict[int, bytes]:
    """A JPEG of each track's face with the highest score; empty when the video is gone."""
    of_track = analysis.faces["track"].to_numpy()
    scores = analysis.faces["score"].to_numpy()
    best = []
    for track in tracks:
        mine = np.flatnonzero(of_track == track)
        if len(mine):
            best.append(int(mine[scores[mine].argmax()]))
    found: dict[int, bytes] = {}
    if not best:
        return found
    try:
        chosen = analysis.faces.take(sorted(best))
        with FaceCrops(analysis.info, chosen, SIDE, MARGIN, False) as crops:
            for crop in crops:
                out = io.BytesIO()
                Pillow.fromarray(crop.image).save(out, "JPEG", quality=85)
                found[crop.track] = out.getvalue()
    except FacetrackError:  # the page then shows the people's thumbnails
        pass
    return found


def _tracks_shown(entry: Uncertain, similarity: PeopleSimilarity) -> list[int]:
    """One track of each side: the one whose embedding is the most reliable."""
    if entry.kind == "same":
        sides = [similarity.of_person[person] for person in entry.people]
    else:
        mine = similarity.of_person[entry.people[0]]
        doubtful = np.isin(similarity.tracks[mine], entry.tracks)
        sides = [mine[doubtful], mine[~doubtful]]
    return [int(similarity.tracks[side[similarity.weights(side).argmax()]]) for side in sides]


def _entry(
    entry: Uncertain,
    faces: dict[int, bytes],
    analysis: Analysis,
    labels: dict[int, str],
    place: str,
) -> ReviewEntry:
    people = {person: labels[person] for person in entry.people}
    names = list(people.values())
    if entry.kind == "same":
        question, condition = f"Are {names[0]} and {names[1]} the same person?", "If so"
        explanation = "They are never on screen at the same time. All their tracks were compared."
        if entry.tracks:
            explanation = f"One track was split into {entry.tracks[0]} and {entry.tracks[1]}."
    else:
        question, condition = f"Is track {entry.tracks[0]} {names[0]}?", "If not"
        if len(entry.tracks) > 1:
            question = f"Are tracks {', '.join(map(str, entry.tracks))} {names[0]}?"
        explanation = (
            f"On screen {_times(entry.tracks, analysis)}. "
            f"Compared with all other tracks of {names[0]}."
        )
    return ReviewEntry(
        faces if len(faces) > 1 else {},
        people,
        question,
        explanation,
        entry.probability,
        condition,
        mending_command(entry, place),
    )


def _times(tracks: Sequence[int], analysis: Analysis) -> str:
    """When the first of these tracks are on screen."""
    times, first = analysis.frame_times, analysis.first_frame
    ranges = [
        f"{clock(times[t.first_frame - first])} to {clock(times[t.last_frame - first])}"
        for t in analysis.tracks
        if t.id in tracks
    ]
    more = f" and {len(ranges) - TIMES_SHOWN} more" if len(ranges) > TIMES_SHOWN else ""
    return ", ".join(ranges[:TIMES_SHOWN]) + more
