"""Joins that a person should look at, each with the command that mends it."""

import io
import shlex
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from facetrack.analysis import Analysis, FaceCrops
from facetrack.errors import FacetrackError
from facetrack.report.cards import face, picture
from facetrack.report.likeness import NEAR, DoubtfulPair, DoubtfulTrack, Likeness
from facetrack.report.text import clock, escaped, label

SIDE = 112
"""Of a track's face in pixels: it is shown at 56, on screens of two pixels a point too."""
MARGIN = 0.3


def review_strip(analysis: Analysis, likeness: Likeness, folder: Path) -> str:
    """HTML of tracks that may be somebody else, and of people who may be one."""
    tracks, pairs = likeness.doubtful_tracks(), likeness.doubtful_pairs()
    if not tracks and not pairs:
        return (
            f"<p>Nothing to review: no join is within {NEAR:.2f} of the threshold of "
            f"{likeness.threshold:.2f}.</p>"
        )
    faces = track_faces(analysis, {t for doubt in tracks for t in (doubt.track, doubt.beside)})
    place = shlex.quote(str(folder.absolute()))
    names = {p.id: label(p) for p in analysis.people}
    items = [_track(doubt, faces, analysis, names, place, likeness.threshold) for doubt in tracks]
    items += [_pair(doubt, names, place, likeness.threshold) for doubt in pairs]
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


def _track(
    doubt: DoubtfulTrack,
    faces: dict[int, bytes],
    analysis: Analysis,
    names: dict[int, str],
    place: str,
    threshold: float,
) -> str:
    track = next(t for t in analysis.tracks if t.id == doubt.track)
    times, first = analysis.frame_times, analysis.first_frame
    when = f"{clock(times[track.first_frame - first])} to {clock(times[track.last_frame - first])}"
    shown = [
        f'<img class="face" src="{picture(faces[track])}" alt="track {track}">'
        for track in (doubt.track, doubt.beside)
        if track in faces
    ]
    who = names[doubt.person]
    return _item(
        "".join(shown) or face(doubt.person, who),
        f"Is track {doubt.track} {who}?",
        f"{when}, beside track {doubt.beside}; with all the others of the person,",
        doubt.similarity,
        threshold,
        "If not",
        f"facetrack people split {place} {doubt.person} --track {doubt.track}",
    )


def _pair(doubt: DoubtfulPair, names: dict[int, str], place: str, threshold: float) -> str:
    one, other = names[doubt.one], names[doubt.other]
    return _item(
        face(doubt.one, one) + face(doubt.other, other),
        f"Are {one} and {other} the same?",
        "never seen together; of all their tracks,",
        doubt.similarity,
        threshold,
        "If so",
        f"facetrack people merge {place} {doubt.one} {doubt.other}",
    )


def _item(
    pictures: str,
    question: str,
    about: str,
    similarity: float,
    threshold: float,
    when: str,
    command: str,
) -> str:
    return (
        f'<article class="doubt"><div class="faces">{pictures}</div><h3>{escaped(question)}</h3>'
        f"<p>{escaped(about)} similarity <b>{similarity:.2f}</b>, threshold {threshold:.2f}</p>"
        f"{_scale(similarity, threshold)}<p>{when}: <code>{escaped(command)}</code></p></article>"
    )


def _scale(similarity: float, threshold: float) -> str:
    """A dot on a line from 0 to 1, and where the threshold is."""
    at, mark = 100 * min(max(similarity, 0.0), 1.0), 100 * threshold
    return (
        '<svg class="scale" viewBox="0 0 100 8" aria-hidden="true">'
        '<path class="rail" d="M0 4H100"/>'
        f'<path class="mark" d="M{mark:.1f} 0V8"/><circle cx="{at:.1f}" cy="4" r="2.6"/></svg>'
    )
