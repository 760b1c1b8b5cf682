"""What a person should look at: each doubt with its probability, both faces, and what mends it."""

import io
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from facetrack.core.errors import FacetrackError
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.uncertain import MAY_BE_ONE, SURELY_ONE, mending_command, uncertain
from facetrack.report.people import face, image
from facetrack.report.text import clock, escaped, label
from facetrack.timeline import Analysis, FaceCrops, Uncertain

SIDE = 112
"""Of a track's face in pixels: it is shown at 56, on screens of two pixels a point too."""
MARGIN = 0.3
STRETCHES = 3
"""Of tracks in doubt whose times are said."""


def review_strip(analysis: Analysis, similarity: PeopleSimilarity, folder: Path) -> str:
    """HTML of people who may be one, and of tracks that may be somebody else."""
    entries = uncertain(analysis, similarity)
    if not entries:
        return (
            "<p>Nothing to review: no two people are one with a probability of "
            f"{MAY_BE_ONE:.2f} or more, and all tracks of a person are with {SURELY_ONE:.2f}.</p>"
        )
    shown = [_tracks_shown(entry, similarity) for entry in entries]
    faces = track_faces(analysis, {track for tracks in shown for track in tracks})
    place = shlex.quote(str(folder.absolute()))
    names = {p.id: label(p) for p in analysis.people}
    items = [
        _item(entry, {t: faces[t] for t in tracks if t in faces}, analysis, names, place)
        for entry, tracks in zip(entries, shown, strict=True)
    ]
    return f'<div class="strip">{"".join(items)}</div>'


def track_faces(analysis: Analysis, tracks: set[int]) -> dict[int, bytes]:
    """A JPEG of the surest face of each of these tracks, where the video is still there."""
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
        with FaceCrops(analysis.info.path, chosen, SIDE, MARGIN, False) as crops:
            for crop in crops:
                out = io.BytesIO()
                Pillow.fromarray(crop.image).save(out, "JPEG", quality=85)
                found[crop.track] = out.getvalue()
    except FacetrackError:  # the page shows the people's pictures alone
        pass
    return found


def _tracks_shown(entry: Uncertain, similarity: PeopleSimilarity) -> list[int]:
    """One track of each side: the one that is worth most."""
    if entry.kind == "same":
        sides = [similarity.of_person[person] for person in entry.people]
    else:
        mine = similarity.of_person[entry.people[0]]
        doubtful = np.isin(similarity.tracks[mine], entry.tracks)
        sides = [mine[doubtful], mine[~doubtful]]
    return [int(similarity.tracks[side[similarity.weights(side).argmax()]]) for side in sides]


def _item(
    entry: Uncertain,
    faces: dict[int, bytes],
    analysis: Analysis,
    names: dict[int, str],
    place: str,
) -> str:
    who = [names[person] for person in entry.people]
    shown = [
        f'<img class="face" src="{image(jpeg)}" alt="track {track}">'
        for track, jpeg in faces.items()
    ]
    if len(shown) < 2:
        shown = [face(person, name) for person, name in zip(entry.people, who, strict=True)]
    if entry.kind == "same":
        question, when = f"Are {who[0]} and {who[1]} the same?", "If so"
        about = "Never seen together; of all their tracks."
        if entry.tracks:
            about = f"One track that was split into {entry.tracks[0]} and {entry.tracks[1]}."
    else:
        several = f"track {entry.tracks[0]}"
        if len(entry.tracks) > 1:
            several = f"tracks {', '.join(map(str, entry.tracks))}"
        question, when = f"Is {several} {who[0]}?", "If not"
        if len(entry.tracks) > 1:
            question = f"Are {several} {who[0]}?"
        about = f"{_times(entry.tracks, analysis)}; beside all others of {who[0]}."
    command = mending_command(entry, place)
    return (
        f'<article class="doubt"><div class="faces">{"".join(shown)}</div>'
        f"<h3>{escaped(question)}</h3><p>{escaped(about)} Probability that they are "
        f"one: <b>{entry.probability:.2f}</b></p>{_scale(entry.probability)}"
        f"<p>{when}: <code>{escaped(command)}</code></p></article>"
    )


def _times(tracks: Sequence[int], analysis: Analysis) -> str:
    """When the first of these tracks are on screen."""
    times, first = analysis.frame_times, analysis.first_frame
    spans = [
        f"{clock(times[t.first_frame - first])} to {clock(times[t.last_frame - first])}"
        for t in analysis.tracks
        if t.id in tracks
    ]
    more = f" and {len(spans) - STRETCHES} more" if len(spans) > STRETCHES else ""
    return ", ".join(spans[:STRETCHES]) + more


def _scale(probability: float) -> str:
    """A dot on a line from 0 to 1, and a mark at a half."""
    return (
        '<svg class="scale" viewBox="0 0 100 8" aria-hidden="true">'
        '<path class="rail" d="M0 4H100"/><path class="mark" d="M50 0V8"/>'
        f'<circle cx="{100 * probability:.1f}" cy="4" r="2.6"/></svg>'
    )
