"""``facetrack gallery``: what it does and prints; and how a run names people by a gallery."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from facetrack.cli.people_view import counted
from facetrack.cli.terminal import Terminal, say, warn
from facetrack.clips.plan.photo import face_of
from facetrack.core.errors import InputError
from facetrack.core.settings import DetectionSettings, IdentitySettings, TrackingSettings
from facetrack.identity.editing import checked_name, is_named
from facetrack.identity.embedding_groups import EmbeddingGroups, EmbeddingSet
from facetrack.identity.gallery import (
    Gallery,
    GalleryFace,
    default_gallery,
    delete_gallery,
    export_gallery,
    today,
)
from facetrack.identity.gallery_matching import match_gallery
from facetrack.identity.similarity import CalibratedScorer, probability
from facetrack.pipeline.engine import open_engine
from facetrack.recognition.calibration import Calibration
from facetrack.recognition.recognizers import recognizer_of
from facetrack.timeline import Analysis
from facetrack.timeline.stored_settings import stored_setting

Named = dict[str, EmbeddingSet]
"""Name -> embeddings of the person's photos."""
DOUBTFUL = 0.5
"""A photo is doubtful when its probability is lower with the other photos of its name, or this high
with another name's."""


def path_of(gallery: Path | None) -> Path:
    """The gallery that is given, or the user's own."""
    return gallery or default_gallery()


def enrol(
    gallery: Path | None,
    name: str,
    photos: Sequence[Path],
    identity: IdentitySettings,
    detection: DetectionSettings | None = None,
) -> int:
    """Adds a person's photos, all or none; warns of photos that look like another person."""
    name, path = checked_name(name), path_of(gallery)
    engine = open_engine(detection or DetectionSettings(), identity)
    embedder, min_score = engine.embedder, TrackingSettings().min_score
    found = [face_of(photo, engine, min_score) for photo in photos]
    faces = [
        GalleryFace(name, embedder.name, photo.name, today(), face.vectors[0], face.evidence)
        for photo, face in zip(photos, found, strict=True)
    ]
    with Gallery(path, make=True) as opened:
        before = opened.of_recognizer(embedder.name, embedder.dim)
        opened.add(faces)
    _warn_of_doubts(name, photos, found, before, embedder.calibration)
    say(f"added {counted(len(photos), 'photo')} of {name} to {path}")
    return 0


def show(gallery: Path | None) -> int:
    """Prints the people of the gallery and their photos."""
    path = path_of(gallery)
    if not path.exists():
        say(f"there is no gallery: {path}")
        return 0
    with Gallery(path) as opened:
        faces = opened.faces()
    table = Table(title=f"{path}")
    for column in ("name", "photo", "network", "added"):
        table.add_column(column, overflow="fold")
    for face in faces:
        table.add_row(face.name, face.photo, face.recognizer, face.added)
    Terminal().print(table)
    return 0


def remove(gallery: Path | None, name: str) -> int:
    """Removes a person from the gallery; see ``Gallery.remove``."""
    with Gallery(path_of(gallery)) as opened:
        count = opened.remove(name)
    say(f"removed {name}; erased: {counted(count, 'face')}")
    say("analyses that have the name keep it; change it with: facetrack people")
    return 0


def export(gallery: Path | None, file: Path, name: str | None) -> int:
    """Writes the people of the gallery, or one of them, as JSON; see ``export_gallery``."""
    with Gallery(path_of(gallery)) as opened:
        faces = opened.faces(name)
    export_gallery(faces, file)
    people = {f.name for f in faces}
    say(f"{file}: {counted(len(faces), 'face')} of {', '.join(people) or 'nobody'}")
    return 0


def existing(gallery: Path | None) -> Path:
    """Path of a gallery that exists.

    Raises:
        InputError: when there is none, or the file is no gallery.
    """
    with Gallery(path_of(gallery)) as opened:
        return opened.path


def delete(path: Path) -> int:
    """Deletes the gallery; see ``delete_gallery``."""
    delete_gallery(path)
    say(f"deleted: {path}")
    return 0


def named_people(gallery: Path | None, identity: IdentitySettings) -> Named | None:
    """The people that a run with these settings shall name; None: no gallery is given."""
    if gallery is None:
        return None
    recognizer = recognizer_of(identity)
    return _embedded_by(gallery, recognizer.name, recognizer.dim, identity.recognizer)


def named_people_of(gallery: Path, analysis: Analysis) -> Named:
    """The people of the gallery whose photos the recogniser of an analysis embedded."""
    recognizer = analysis.recognizer
    asked = stored_setting(analysis, IdentitySettings, "recognizer")
    return _embedded_by(gallery, recognizer.name, recognizer.dim, asked)


def _embedded_by(gallery: Path, name: str, dim: int, asked: str) -> Named:
    with Gallery(gallery) as opened:
        named = opened.of_recognizer(name, dim)
    if not named:
        raise InputError(
            f"{gallery} has no photos embedded by {name}; add photos with: facetrack gallery add "
            f"NAME PHOTO --recognizer {asked}"
        )
    return named


def with_names(analysis: Analysis, named: Named | None, quiet: bool) -> Analysis:
    """Names the people of an analysis; prints who is recognised, and who only perhaps."""
    if named is None:
        return analysis
    found = match_gallery(analysis, named)
    if not quiet:
        people = [p for p in found.analysis.people if is_named(p)]
        names = ", ".join(f"{p.id} is {p.name} ({p.confidence or 1:.2f})" for p in people)
        said = [f"known: {names or 'nobody'}"]
        said += [
            f"unknown: {m.person}, who may be {m.name} ({m.confidence:.2f})" for m in found.unsure
        ]
        for line in said:
            say(line, sys.stderr)
    return found.analysis


def _warn_of_doubts(
    name: str,
    photos: Sequence[Path],
    faces: Sequence[EmbeddingSet],
    before: Named,
    calibration: Calibration,
) -> None:
    """Warns of photos that look like another person: a wrong photo spoils two names."""
    believed, strangers = CalibratedScorer(calibration, prior=0.0), CalibratedScorer(calibration)
    mine = [n for n in before if n.casefold() == name.casefold()]
    theirs = [*faces, *(before[n] for n in mine)]
    others = {n: stored for n, stored in before.items() if n not in mine}
    for photo, face in zip(photos, faces, strict=True):
        rest = [other for other in theirs if other is not face]
        if rest:
            joined = EmbeddingSet.joined(rest)
            odds = believed.log_odds(face.vectors, face.evidence, joined.vectors, joined.evidence)
            most = probability(float(odds.max()))
            if most < DOUBTFUL:
                warn(f"{photo.name} is unlike the other photos of {name} (probability {most:.2f})")
        if others:
            groups = EmbeddingGroups.of(list(others.values()), strangers)
            odds = EmbeddingGroups.of([face], strangers).log_odds(other=groups)
            for other, found in zip(others, map(probability, odds[0].tolist()), strict=True):
                if found >= DOUBTFUL:
                    warn(
                        f"{photo.name} is similar to {other} too (probability {found:.2f}); the "
                        "two may not be distinguished"
                    )
