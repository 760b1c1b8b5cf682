"""What ``facetrack gallery`` does and says, and what a run says of known people."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facetrack.cli.people_view import counted
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
from facetrack.pipeline.engine_opening import open_engine
from facetrack.recognition.calibration import Calibration
from facetrack.recognition.recognizers import recognizer_of
from facetrack.timeline import Analysis

Known = dict[str, EmbeddingSet]
"""Name to the embeddings of the photos."""
DOUBTFUL = 0.5
"""Probability below which a photo is little like the others of its name, and from which it is like
somebody else's."""


def path_of(gallery: Path | None) -> Path:
    """The gallery that was named, or the user's own."""
    return gallery or default_gallery()


def enrol(
    gallery: Path | None,
    name: str,
    photos: Sequence[Path],
    identity: IdentitySettings,
    detection: DetectionSettings | None = None,
) -> int:
    """All photos or none."""
    name, path = checked_name(name), path_of(gallery)
    engine = open_engine(detection or DetectionSettings(), identity)
    embedder, min_score = engine.embedder, TrackingSettings().min_score
    found = [face_of(photo, engine, min_score) for photo in photos]
    faces = [
        GalleryFace(name, embedder.name, photo.name, today(), face.vectors[0], face.evidence)
        for photo, face in zip(photos, found, strict=True)
    ]
    with Gallery(path, make=True) as known:
        before = known.of_recognizer(embedder.name, embedder.dim)
        known.add(faces)
    _warn_of_doubts(name, photos, found, before, embedder.calibration)
    print(f"{name} is known by {counted(len(photos), 'more photo')} in {path}")
    return 0


def show(gallery: Path | None) -> int:
    """Who is known by which photos."""
    path = path_of(gallery)
    if not path.exists():
        print(f"nobody is known; there is no {path}")
        return 0
    with Gallery(path) as known:
        faces = known.faces()
    table = Table(title=f"{path}")
    for column in ("name", "photo", "network", "added"):
        table.add_column(column, overflow="fold")
    for face in faces:
        table.add_row(face.name, face.photo, face.recognizer, face.added)
    Console().print(table)
    return 0


def remove(gallery: Path | None, name: str) -> int:
    """See ``Gallery.remove``."""
    with Gallery(path_of(gallery)) as known:
        count = known.remove(name)
    print(f"{name} is known no more; erased: {counted(count, 'face')}")
    print("timelines that were named before keep the name; change it with: facetrack people")
    return 0


def export(gallery: Path | None, file: Path, name: str | None) -> int:
    """See ``export_gallery``."""
    with Gallery(path_of(gallery)) as known:
        faces = known.faces(name)
    export_gallery(faces, file)
    people = {f.name for f in faces}
    print(f"{file}: {counted(len(faces), 'face')} of {', '.join(people) or 'nobody'}")
    return 0


def existing(gallery: Path | None) -> Path:
    """Raises ``InputError`` when there is none, or the file is no gallery."""
    with Gallery(path_of(gallery)) as known:
        return known.path


def delete(path: Path) -> int:
    """See ``delete_gallery``."""
    delete_gallery(path)
    print(f"deleted: {path}")
    return 0


def known_people(gallery: Path | None, identity: IdentitySettings) -> Known | None:
    """Whom a run with these settings shall know, before it begins; None: it does not ask."""
    if gallery is None:
        return None
    recognizer = recognizer_of(identity)
    return _known_by(gallery, recognizer.name, recognizer.dim, identity.recognizer)


def known_people_of(gallery: Path, analysis: Analysis) -> Known:
    """Whom the gallery knows by the recogniser of an analysis."""
    recognizer, asked = analysis.recognizer, analysis.settings["identity"]["recognizer"]
    return _known_by(gallery, recognizer.name, recognizer.dim, asked)


def _known_by(gallery: Path, name: str, dim: int, asked: str) -> Known:
    with Gallery(gallery) as opened:
        known = opened.of_recognizer(name, dim)
    if not known:
        raise InputError(
            f"{gallery} knows nobody by {name}; add photos with: facetrack gallery add NAME "
            f"PHOTO --recognizer {asked}"
        )
    return known


def with_names(analysis: Analysis, known: Known | None, quiet: bool) -> Analysis:
    """Says who is known and who only may be."""
    if known is None:
        return analysis
    found = match_gallery(analysis, known)
    if not quiet:
        named = [p for p in found.analysis.people if is_named(p)]
        names = ", ".join(f"{p.id} is {p.name} ({p.confidence or 1:.2f})" for p in named)
        said = [f"known: {names or 'nobody'}"]
        said += [
            f"unknown: {m.person}, who may be {m.name} ({m.confidence:.2f})" for m in found.unsure
        ]
        print("\n".join(said), file=sys.stderr, flush=True)
    return found.analysis


def _warn_of_doubts(
    name: str,
    photos: Sequence[Path],
    faces: Sequence[EmbeddingSet],
    before: Known,
    calibration: Calibration,
) -> None:
    """A photo of somebody else under a name would spoil both."""
    believed, strangers = CalibratedScorer(calibration, prior=0.0), CalibratedScorer(calibration)
    mine = [n for n in before if n.casefold() == name.casefold()]
    theirs = [*faces, *(before[n] for n in mine)]
    others = {n: known for n, known in before.items() if n not in mine}
    for photo, face in zip(photos, faces, strict=True):
        rest = [known for known in theirs if known is not face]
        if rest:
            known = EmbeddingSet.joined(rest)
            odds = believed.log_odds(face.vectors, face.evidence, known.vectors, known.evidence)
            most = probability(float(odds.max()))
            if most < DOUBTFUL:
                _warn(
                    f"{photo.name} is little like the other photos of {name} "
                    f"(probability {most:.2f})"
                )
        if others:
            groups = EmbeddingGroups.of(list(others.values()), strangers)
            odds = EmbeddingGroups.of([face], strangers).log_odds(other=groups)
            for other, found in zip(others, map(probability, odds[0].tolist()), strict=True):
                if found >= DOUBTFUL:
                    _warn(
                        f"{photo.name} is like {other} too (probability {found:.2f}); neither may "
                        "be told apart"
                    )


def _warn(line: str) -> None:
    print(f"facetrack: {line}", file=sys.stderr, flush=True)
