"""Scores a face detector on the frames of detection_truth.csv, whose faces were marked by eye.

A face counts where at least an eye and part of the nose or of the mouth can be made out. Its box
goes from hairline to chin and from ear to ear of what can be seen. Rows of kind ``face`` are to be
found. Rows of kind ``ignore`` (heads turned away, dark audience, faces that are hidden but for
their edge) are neither hits nor false. Rows of kind ``none`` have no box and say that a frame has
no face, or have one and name what looks like a face and is none (``print``: a coat of arms).
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image as Pillow
from scipy.optimize import linear_sum_assignment

from facetrack.core.boxes import iou_matrix
from facetrack.core.types import Faces, Float32
from facetrack.media.decode import PyavSource
from facetrack.media.frame_image import FrameImage, RgbImage

TRUTH = Path(__file__).with_name("detection_truth.csv")
MIN_IOU = 0.4
"""Overlap from which a box found is the face marked.

Both detectors' boxes overlap the marked ones by 0.85 to 0.92 on average, but those of faces cut by
the frame's edge or half covered by as little as 0.46, since a detector draws the whole face where
the mark shows what can be seen. Recall at 0.3 and at 0.5 is the same to 0.01, but for YuNet's
coarsest input (0.02 less at 0.5). A box on the hair over a lowered face overlaps it by 0.3 at most.
"""
INSIDE = 0.5
"""Share of a box that lies in an ignored one from which it is ignored too."""
TAGS = ("frontal", "profile", "small", "dark", "covered", "blurred", "lowered")


class FaceDetector(Protocol):
    """What is scored."""

    def detect(self, images_of: Sequence[FrameImage]) -> Iterator[Faces]:
        """Faces of each frame, in order; all frames of one size."""
        ...


@dataclass
class MarkedFrame:
    """One frame of the truth."""

    clip: str
    index: int
    """Counts from 0 in presentation order; 0 for a photo."""
    faces: Float32 = field(default_factory=lambda: np.empty((0, 4), np.float32))
    tags: list[frozenset[str]] = field(default_factory=list)
    """Of each face."""
    ignored: Float32 = field(default_factory=lambda: np.empty((0, 4), np.float32))
    lures: list[tuple[Float32, str]] = field(default_factory=list)
    """Boxes ``(4,)`` of what looks like a face and is none, and its name."""


class Detection(NamedTuple):
    """A box found in a frame."""

    score: float
    frame: int
    """Position of the frame in the list of marked frames."""
    box: Float32
    """``(4,)`` x1 y1 x2 y2 in pixels of the upright frame."""


class Point(NamedTuple):
    """What a detector does when boxes of this score or better are faces."""

    score: float
    recall: float
    precision: float


def marked_frames(path: Path = TRUTH) -> list[MarkedFrame]:
    """The truth, in its order."""
    frames: dict[tuple[str, int], MarkedFrame] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = row["clip"], int(row["frame"])
            frame = frames.setdefault(key, MarkedFrame(*key))
            if not row["x1"]:
                continue
            box = np.array([[float(row[k]) for k in ("x1", "y1", "x2", "y2")]], np.float32)
            if row["kind"] == "face":
                frame.faces = np.concatenate([frame.faces, box])
                frame.tags.append(frozenset(row["tags"].split()))
            elif row["kind"] == "ignore":
                frame.ignored = np.concatenate([frame.ignored, box])
            else:
                frame.lures.append((box[0], row["tags"]))
    return list(frames.values())


def in_folders(frames: Sequence[MarkedFrame], folders: Sequence[Path]) -> list[MarkedFrame]:
    """Those of clips that are in one of the folders."""
    return [f for f in frames if any((folder / f.clip).is_file() for folder in folders)]


@cache
def images_of(clip: Path, indices: tuple[int, ...]) -> list[FrameImage]:
    """The frames of a video with these indices, or the one of a photo; decoded once."""
    if clip.suffix in (".jpg", ".png"):
        return [RgbImage(np.array(Pillow.open(clip).convert("RGB")))]
    wanted = set(indices)
    with PyavSource(clip) as source:
        found = {f.index: f.image for f in source.frames() if f.index in wanted}
    return [found[i] for i in indices]


def detections(
    detector: FaceDetector, frames: Sequence[MarkedFrame], folders: Sequence[Path]
) -> list[Detection]:
    """Everything that the detector finds in the frames."""
    of_clip: dict[str, list[int]] = defaultdict(list)
    for i, frame in enumerate(frames):
        of_clip[frame.clip].append(i)
    found = []
    for clip, positions in of_clip.items():
        path = next(folder / clip for folder in folders if (folder / clip).is_file())
        images = images_of(path, tuple(frames[i].index for i in positions))
        for i, faces in zip(positions, detector.detect(images), strict=True):
            found += [
                Detection(float(s), i, b) for s, b in zip(faces.scores, faces.boxes, strict=True)
            ]
    return found


@dataclass
class Scores:
    """One detector on the truth."""

    frames: Sequence[MarkedFrame]
    points: list[Point]
    """One a detection, from the best score down."""
    found: list[Detection]
    """All detections, best score first."""

    @property
    def average_precision(self) -> float:
        """Area under precision (the best at this recall or a higher one) over recall."""
        recall = np.array([0.0, *(p.recall for p in self.points)])
        precision = np.maximum.accumulate([p.precision for p in self.points][::-1])[::-1]
        return float(np.sum(np.diff(recall) * precision))

    def at_precision(self, precision: float) -> Point | None:
        """The point of highest recall with this precision or a better one."""
        able = [p for p in self.points if p.precision >= precision]
        return max(able, key=lambda p: (p.recall, p.score), default=None)

    def at_score(self, score: float) -> Point:
        """The point where boxes of this score or better are faces."""
        able = [p for p in self.points if p.score >= score]
        return able[-1] if able else Point(score, 0.0, 1.0)

    def hits(self, score: float) -> list[set[int]]:
        """Of each frame, the faces that are found at this score."""
        taken = [[d for d in self.found if d.frame == i and d.score >= score]
                 for i in range(len(self.frames))]  # fmt: skip
        return [{f for f, _ in matched(m, t)[0]} for m, t in zip(self.frames, taken, strict=True)]

    def recall_of(self, score: float) -> dict[str, tuple[int, int]]:
        """Faces found and faces there, of each tag and of each clip."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for frame, hits in zip(self.frames, self.hits(score), strict=True):
            for i, tags in enumerate(frame.tags):
                for name in (*tags, frame.clip):
                    counts[name][0] += i in hits
                    counts[name][1] += 1
        return {name: (hit, there) for name, (hit, there) in counts.items()}

    def false_faces(self, score: float) -> list[tuple[Detection, str]]:
        """What is taken for a face at this score and is none; the name of what it is, if known."""
        out = []
        for i, frame in enumerate(self.frames):
            taken = [d for d in self.found if d.frame == i and d.score >= score]
            for d in (taken[k] for k in matched(frame, taken)[1]):
                out.append((d, next((n for b, n in frame.lures if _inside(d.box, b)), "")))
        return sorted(out, key=lambda false: -false[0].score)


def scored(frames: Sequence[MarkedFrame], found: Sequence[Detection]) -> Scores:
    """Precision and recall at the score of every detection."""
    ordered = sorted(found, key=lambda d: -d.score)
    taken: list[list[Detection]] = [[] for _ in frames]
    of_frame = [(0, 0)] * len(frames)  # hits and false faces
    faces = sum(len(f.faces) for f in frames)
    hits = false = 0
    points = []
    for d in ordered:
        taken[d.frame].append(d)
        pairs, wrong = matched(frames[d.frame], taken[d.frame])
        hits += len(pairs) - of_frame[d.frame][0]
        false += len(wrong) - of_frame[d.frame][1]
        of_frame[d.frame] = len(pairs), len(wrong)
        points.append(Point(d.score, hits / faces, hits / max(1, hits + false)))
    return Scores(frames, points, ordered)


def matched(
    frame: MarkedFrame, taken: Sequence[Detection]
) -> tuple[list[tuple[int, int]], list[int]]:
    """Which face each detection is: as many as can be, then the best overlaps (Hungarian).

    Returns:
        Positions of faces and of the detections they have; detections that are false.
    """
    if not taken:
        return [], []
    boxes = np.stack([d.box for d in taken]).astype(np.float32)
    overlap = iou_matrix(frame.faces, boxes)
    rows, columns = linear_sum_assignment(np.where(overlap >= MIN_IOU, overlap + 1, 0), True)
    pairs = [(int(f), int(d)) for f, d in zip(rows, columns, strict=True)
             if overlap[f, d] >= MIN_IOU]  # fmt: skip
    hit = {d for _, d in pairs}
    wrong = [
        d for d in range(len(taken))
        if d not in hit and not any(_ignored(boxes[d], b) for b in frame.ignored)
    ]  # fmt: skip
    return pairs, wrong


def _ignored(box: Float32, ignored: Float32) -> bool:
    return _inside(box, ignored) or bool(iou_matrix(box[None], ignored[None])[0, 0] >= MIN_IOU)


def _inside(box: Float32, other: Float32) -> bool:
    shared = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    return bool(np.prod(np.maximum(shared, 0)) >= INSIDE * np.prod(box[2:] - box[:2]))
