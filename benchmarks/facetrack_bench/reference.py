"""Times the plain facenet-pytorch loop: decode a frame, call ``MTCNN.detect``, repeat.

facenet-pytorch pins an old torch and is therefore installed with ``--no-deps``. This module
replaces what it takes from torchvision, and two libraries that only its downloads need.
"""

import sys
import time
import types
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from facetrack.core.types import Float32
from facetrack.media.opening import open_media
from facetrack_bench.parts import LARGE_PIXELS, chosen_frames

PARTS, PARTS_OF_LARGE = 8, 2
"""Number of parts, and number of parts of a video with large frames."""
IMAGES_PER_CALL, CALLS = 32, 3
"""Batch size on a GPU, and number of measured calls after one that is not timed."""


def installed() -> bool:
    """Whether facenet-pytorch and torch are installed."""
    return find_spec("facenet_pytorch") is not None and find_spec("torch") is not None


def plain_loop(video: Path, *, frames: int, device: str) -> dict[str, Any]:
    """Measures frames per second of the loop on parts of a video.

    Args:
        video: to decode.
        frames: number of frames in the video.
        device: "cuda" measures batches of the first frames; any other, single frames on the CPU.
    """
    torch = import_module("torch")
    if device == "cuda":
        return _plain_batches(video, torch)
    mtcnn = plain_mtcnn("cpu")
    with open_media(video) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    mtcnn.detect(image, landmarks=True)  # the first call prepares torch's kernels
    large = image.shape[0] * image.shape[1] > LARGE_PIXELS
    chosen = chosen_frames(frames, PARTS_OF_LARGE if large else PARTS)
    seconds, faces = 0.0, 0
    with open_media(video) as container:
        decoded = iter(container.decode(video=0))
        for index in range(max(chosen) + 1):
            begun = time.perf_counter()
            frame = next(decoded)
            if index in chosen:
                boxes, *_ = mtcnn.detect(frame.to_ndarray(format="rgb24"), landmarks=True)
                seconds += time.perf_counter() - begun
                faces += 0 if boxes is None else len(boxes)
    return _answer(len(chosen), faces, seconds, torch.get_num_threads())


def _plain_batches(video: Path, torch: Any) -> dict[str, Any]:
    """On a GPU the loop is fastest with many frames per call, as in its own examples."""
    mtcnn = plain_mtcnn("cuda")
    seconds, faces, count = 0.0, 0, 0
    with open_media(video) as container:
        decoded = iter(container.decode(video=0))
        for call in range(1 + CALLS):
            begun = time.perf_counter()
            arrays = [f.to_ndarray(format="rgb24") for f in islice(decoded, IMAGES_PER_CALL)]
            images = [Pillow.fromarray(array) for array in arrays]
            if not images:
                break
            found, *_ = mtcnn.detect(images, landmarks=True)
            torch.cuda.synchronize()
            if call:  # the first call prepares torch's kernels
                seconds += time.perf_counter() - begun
                faces += sum(0 if boxes is None else len(boxes) for boxes in found)
                count += len(images)
    return _answer(count, faces, seconds, torch.get_num_threads())


def _answer(frames: int, faces: int, seconds: float, threads: int) -> dict[str, Any]:
    return {
        "frames": frames,
        "faces": faces,
        "seconds": round(seconds, 4),
        "frames_per_second": round(frames / seconds, 3) if seconds else None,
        "threads": threads,
    }


def plain_mtcnn(device: str) -> Any:
    """facenet-pytorch's ``MTCNN(keep_all=True)``, also where torchvision is not installed."""
    if find_spec("torchvision") is None:
        _replace_torchvision()
    return import_module("facenet_pytorch.models.mtcnn").MTCNN(keep_all=True, device=device)


def _replace_torchvision() -> None:
    for name in ("torchvision", "torchvision.transforms", "torchvision.ops", "requests", "tqdm"):
        sys.modules.setdefault(name, types.ModuleType(name))
    functional = _replace("torchvision.transforms.functional", to_tensor=_to_tensor)
    _replace("torchvision.transforms", functional=functional)
    _replace("torchvision.ops.boxes", batched_nms=batched_nms)
    _replace("requests.adapters", HTTPAdapter=None)
    _replace("tqdm.auto", tqdm=None)


def _replace(name: str, **members: object) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    return module


def _to_tensor(image: Float32) -> Any:
    """torchvision's ``to_tensor`` for floats: the last axis becomes the first."""
    return import_module("torch").from_numpy(image.transpose(2, 0, 1).copy())


def batched_nms(boxes: Any, scores: Any, groups: Any, threshold: float) -> Any:
    """torchvision's ``batched_nms``: greedy suppression by IoU within each group, best score first.

    In NumPy, because each call into torch costs so much that the loop would look slower than it is.

    Args:
        boxes: ``(n, 4)`` tensor of left, top, right and bottom in pixels.
        scores: ``(n,)`` tensor.
        groups: ``(n,)`` tensor of integers; boxes of different groups do not suppress each other.
        threshold: IoU above which the lower score is dropped.

    Returns:
        Indices of the boxes that are kept, as an int64 tensor.
    """
    torch = import_module("torch")
    corners, of_group = boxes.numpy(), groups.numpy()
    x1, y1, x2, y2 = corners.T
    area = (x2 - x1) * (y2 - y1)
    order = np.argsort(-scores.numpy(), kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        iou = shared / (area[best] + area[rest] - shared)
        order = rest[(iou <= threshold) | (of_group[rest] != of_group[best])]
    return torch.as_tensor(np.array(kept, np.int64))
