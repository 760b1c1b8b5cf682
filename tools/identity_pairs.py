"""Prints the table of docs/identity.md: similarity of tracks of the same and of different people.

    facetrack run CLIP... -o OUT --target all   # look at the clips: is each person one person?
    PYTHONPATH=tests python tools/identity_pairs.py OUT/*

The people of each folder must have been checked by eye, and nobody may be in two of the folders.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np

from facetrack.timeline import Analysis


def main() -> None:
    tracks = []
    for folder in map(Path, sys.argv[1:]):
        analysis = Analysis.load(folder)
        person = {t.id: t.person for t in analysis.tracks}
        tracks += [((folder, person[t]), vector) for t, vector in analysis.embeddings.items()]
    pairs = list(combinations(tracks, 2))
    similarity = np.array([a[1] @ b[1] for a, b in pairs])
    same = np.array([a[0] == b[0] for a, b in pairs])
    for name, values in (("same person", similarity[same]), ("different", similarity[~same])):
        low, middle, high = values.min(), np.median(values), values.max()
        print(f"{name}: {len(values)} pairs, cosine {low:.2f} / {middle:.2f} / {high:.2f}")
    for threshold in np.arange(0.2, 0.65, 0.05):
        missed = (similarity[same] < threshold).mean()
        wrong = (similarity[~same] >= threshold).mean()
        print(f"| {threshold:.2f} | {missed:.1%} | {wrong:.1%} |")


if __name__ == "__main__":
    main()
