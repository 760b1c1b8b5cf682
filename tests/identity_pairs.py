"""Prints the table of docs/identity.md: how alike tracks of the same and of other people are.

    python tests/identity_pairs.py CLIP...

Every clip is analysed with a threshold that joins nothing; pairs of tracks that share a frame are
different people. Pairs of tracks of clips that show one person alone are named by the clip.
"""

import sys
from pathlib import Path

import numpy as np

import facetrack
from facetrack.settings import IdentitySettings, Settings


def main() -> None:
    alone = {"single_face": "man 1", "face_noface": "man 1", "noface_face": "man 1"}
    tracks = []
    for path in map(Path, sys.argv[1:]):
        analysis = facetrack.analyze(path, Settings(identity=IdentitySettings(threshold=0.999)))
        seen = {t.id: set(range(t.first_frame, t.last_frame + 1)) for t in analysis.tracks}
        for track, vector in analysis.embeddings.items():
            tracks.append((path.stem, track, vector, seen[track]))
            print(path.stem, "track", track, "frames", min(seen[track]), max(seen[track]))
    print("clip track  clip track  cosine  known")
    for i, (clip, track, vector, frames) in enumerate(tracks):
        for other, other_track, other_vector, other_frames in tracks[:i]:
            names = alone.get(clip, clip), alone.get(other, other)
            together = clip == other and frames & other_frames
            known = "different" if together or names[0] != names[1] else "look"
            print(clip, track, other, other_track, f"{np.dot(vector, other_vector):.3f}", known)


if __name__ == "__main__":
    main()
