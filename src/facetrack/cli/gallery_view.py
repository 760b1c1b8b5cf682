"""What ``facetrack gallery`` does and says, and what a run says of known people."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facetrack.analysis import Analysis
from facetrack.cli.people_view import counted
from facetrack.clips.photo import face_of
from facetrack.engines.opening import open_engine
from facetrack.errors import InputError
from facetrack.people.editing import is_named
from facetrack.people.gallery import (
    Gallery,
    KnownFace,
    default_gallery,
    delete_gallery,
    export_gallery,
    today,
)
from facetrack.people.known import recognised
from facetrack.people.names import checked_name
from facetrack.settings import DetectionSettings, IdentitySettings, TrackingSettings
from facetrack.types import Float32

Known = dict[str, Float32]
"""Name to ``(n, 512)`` embeddings."""


def path_of(gallery: Path | None) -> Path:
    """The gallery that was named, or the user's own."""
    return gallery or default_gallery()


def enrol(
    gallery: Path | None, name: str, photos: Sequence[Path], identity: IdentitySettings
) -> int:
    """All photos or none."""
    name, path = checked_name(name), path_of(gallery)
    engine = open_engine(DetectionSettings(), identity)
    faces = [
        KnownFace(
            name,
            identity.recognizer,
            photo.name,
            today(),
            face_of(photo, engine, TrackingSettings().min_score),
        )
        for photo in photos
    ]
    with Gallery(path, make=True) as known:
        before = known.of_recognizer(identity.recognizer)
        known.add(faces)
    _warn_of_doubts(name, faces, before, identity.threshold or 0.4)
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


def known_people(gallery: Path | None, recognizer: str) -> Known | None:
    """Whom a run shall know, before it begins; None: it does not ask."""
    if gallery is None:
        return None
    with Gallery(gallery) as opened:
        known = opened.of_recognizer(recognizer)
    if not known:
        raise InputError(
            f"{gallery} knows nobody by {recognizer}; add photos with: facetrack gallery add NAME "
            f"PHOTO --recognizer {recognizer}"
        )
    return known


def with_names(analysis: Analysis, known: Known | None, quiet: bool) -> Analysis:
    """Says who is known and who only may be."""
    if known is None:
        return analysis
    found = recognised(analysis, known)
    if not quiet:
        named = [p for p in found.analysis.people if is_named(p)]
        names = ", ".join(f"{p.id} is {p.name} ({p.confidence or 1:.2f})" for p in named)
        said = [f"known: {names or 'nobody'}"]
        said += [
            f"unknown: {m.person}, who may be {m.name} ({m.confidence:.2f})" for m in found.unsure
        ]
        print("\n".join(said), file=sys.stderr, flush=True)
    return found.analysis


def _warn_of_doubts(name: str, faces: Sequence[KnownFace], before: Known, threshold: float) -> None:
    """A photo of somebody else under a name would spoil both."""
    theirs = [f.embedding for f in faces] + [
        e for n, vectors in before.items() if n.casefold() == name.casefold() for e in vectors
    ]
    for face in faces:
        alike = [float(face.embedding @ e) for e in theirs if e is not face.embedding]
        if alike and max(alike) < threshold:
            _warn(f"{face.photo} is little like the other photos of {name} ({max(alike):.2f})")
        for other, vectors in before.items():
            cosine = float((vectors @ face.embedding).mean())
            if other.casefold() != name.casefold() and cosine >= threshold:
                _warn(f"{face.photo} is like {other} too ({cosine:.2f}); neither may be told apart")


def _warn(line: str) -> None:
    print(f"facetrack: {line}", file=sys.stderr, flush=True)
