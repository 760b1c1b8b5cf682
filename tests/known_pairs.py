"""Fits the curve of docs/people.md: how likely two faces are one person's, by their cosine.

    python tests/known_pairs.py PHOTOS OUT/*

``PHOTOS`` holds a folder a person, named after them, with photos of them alone. The people of each
analysis must have been checked by eye; who is in a photo or in two analyses is called by one name
in all of them (facetrack people name). Prints the curve, and what a gallery of these photos makes
of the people of the analyses.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from facetrack.analysis import Analysis
from facetrack.clips.photo import face_of
from facetrack.engines.opening import open_engine
from facetrack.people.editing import is_named
from facetrack.people.known import recognised
from facetrack.settings import Settings


def main() -> None:
    photos, *folders = map(Path, sys.argv[1:])
    analyses = {folder.name: Analysis.load(folder) for folder in folders}
    settings = Settings()
    engine = open_engine(settings.detection, settings.identity)
    gallery = {
        person.name: np.stack(
            [face_of(photo, engine, settings.tracking.min_score) for photo in person.iterdir()]
        )
        for person in sorted(photos.iterdir())
    }
    faces = [(name, vector) for name, vectors in gallery.items() for vector in vectors]
    for folder, analysis in analyses.items():
        called = {p.id: p.name if is_named(p) else f"{folder} {p.id}" for p in analysis.people}
        of_track = {t.id: called[t.person] for t in analysis.tracks if t.person}
        faces += [(of_track[t], vector) for t, vector in analysis.embeddings.items()]
    pairs = list(combinations(faces, 2))
    alike = np.array([float(a[1] @ b[1]) for a, b in pairs])
    same = np.array([a[0] == b[0] for a, b in pairs])
    even, steep = fitted(alike[same], alike[~same])
    print(f"{same.sum()} same, {(~same).sum()} different: even at {even:.3f}, steep {steep:.1f}")
    print("same:", *np.sort(alike[same]).round(2))
    print("different, the most alike:", *np.sort(alike[~same])[-8:].round(2))
    for cosine in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6):
        sure = 1 / (1 + np.exp(-steep * (cosine - even)))
        missed, wrong = (alike[same] < cosine).mean(), (alike[~same] >= cosine).mean()
        print(f"| {cosine:.2f} | {sure:.2f} | {missed:.0%} | {wrong:.1%} |")
    for folder, analysis in analyses.items():
        nameless = [type(p)(**{**vars(p), "name": f"Person {p.id}"}) for p in analysis.people]
        found = recognised(type(analysis)(**{**vars(analysis), "people": nameless}), gallery)
        for person, truth in zip(found.analysis.people, analysis.people, strict=True):
            print(folder, person.id, truth.name, "->", person.name, person.confidence or "")


def fitted(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """The most likely logistic curve, same and different counting alike."""

    def loss(curve: np.ndarray) -> float:
        even, steep = curve
        missed = np.logaddexp(0, -steep * (same - even)).mean()
        wrong = np.logaddexp(0, steep * (different - even)).mean()
        return float(missed + wrong)

    even, steep = minimize(loss, [0.4, 20.0], method="Nelder-Mead").x
    return float(even), float(steep)


if __name__ == "__main__":
    main()
