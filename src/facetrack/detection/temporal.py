"""The temporal cascade: the whole cascade on key frames, O-Net alone on the frames between.

A stretch is a run of frames inside one shot that starts and ends with a key frame. Where the
faces of its two ends agree, each frame between is refined from the box that lies between them;
where they do not, the stretch is halved with another key frame until it is short, and what still
appears or vanishes inside is followed from the end that shows it, frame by frame, until O-Net no
longer sees a face. So boundaries are exact to the frame, in both directions.

The result of a stretch depends on its frames alone, never on how stretches were batched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from facetrack.detection.boxes import Indices, iou_matrix, nms_of_smaller, squared
from facetrack.detection.mtcnn import FACE_NMS
from facetrack.settings import DetectionSettings
from facetrack.types import Faces, Float32, Frame, Image

SAME_FACE = 0.3
"""IoU from which a face of one key frame is taken for a face of the next."""
STAYS_PUT = 0.4
"""IoU with its proposal that a refined box must have, or it has slid onto something else."""
SURE = 0.95
"""Score from which one look is enough."""
SHORTEST = 4
"""Frames from key frame to key frame at which halving ends."""


class Detector(Protocol):
    """What the temporal cascade needs of an engine."""

    def detect(self, images: Sequence[Image]) -> list[Faces]: ...

    def refine(self, images: Sequence[Image], of_image: Indices, anchors: Float32) -> Faces: ...


@dataclass
class Stretch:
    """Frames ``frames[0]`` to ``frames[-1]``, key frames both, and the faces of these two."""

    frames: list[Frame]
    first: Faces
    last: Faces
    pairs: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = same_faces(self.first, self.last)

    @property
    def agrees(self) -> bool:
        return len(self.pairs) == len(self.first) == len(self.last)


class Sighting(NamedTuple):
    """A refined face of one frame of one stretch."""

    box: Float32
    score: float
    landmarks: Float32
    anchor: Float32


class Proposal(NamedTuple):
    """Where a face is expected."""

    box: Float32
    anchor: Float32
    """``(4,)`` the square that O-Net is to see."""


@dataclass
class _Chain:
    """A face that only one end of its stretch shows, followed towards the other end."""

    stretch: int
    box: Float32
    anchor: Float32
    at: int
    step: int
    velocity: Float32 = field(default_factory=lambda: np.zeros(4, np.float32))


class TemporalCascade:
    """Finds the faces of whole stretches; counts what it did."""

    def __init__(self, detector: Detector, settings: DetectionSettings) -> None:
        self._detector = detector
        self._threshold = settings.onet_threshold
        self.key_frames = 0
        self.refined_boxes = 0

    def key(self, frames: Sequence[Frame]) -> list[Faces]:
        """The whole cascade on each frame."""
        self.key_frames += len(frames)
        return self._detector.detect([f.image for f in frames]) if frames else []

    def fill(self, stretches: Sequence[Stretch]) -> list[list[Faces]]:
        """For each stretch the faces of all its frames but the first."""
        parts = self._halved([[s] for s in stretches])
        flat = [part for of_stretch in parts for part in of_stretch]
        inner = iter(self._between(flat))
        return [
            [f for part in of_stretch for f in (*next(inner), part.last)] for of_stretch in parts
        ]

    def _halved(self, parts: list[list[Stretch]]) -> list[list[Stretch]]:
        """Puts key frames into the middle of parts whose ends disagree, until they are short."""
        while True:
            wide = [p for of in parts for p in of if len(p.frames) > SHORTEST + 1 and not p.agrees]
            if not wide:
                return parts
            middles = [p.frames[len(p.frames) // 2] for p in wide]
            faces = dict(zip(map(id, wide), self.key(middles), strict=True))
            parts = [[h for p in of for h in _halves(p, faces.get(id(p)))] for of in parts]

    def _between(self, stretches: Sequence[Stretch]) -> list[list[Faces]]:
        found: list[list[list[Sighting]]] = [[[] for _ in s.frames[1:-1]] for s in stretches]
        self._interpolate(stretches, found)
        self._follow(stretches, found)
        return [[_one_each(sightings) for sightings in of_stretch] for of_stretch in found]

    def _interpolate(self, stretches: Sequence[Stretch], found: list[list[list[Sighting]]]) -> None:
        """Refines the faces that both ends show from where they lie in between."""
        where: list[tuple[int, int]] = []
        proposals: list[Proposal] = []
        for s, stretch in enumerate(stretches):
            steps = len(stretch.frames) - 1
            for a, b in stretch.pairs:
                start = np.stack([stretch.first.boxes[a], stretch.first.anchors[a]])
                end = np.stack([stretch.last.boxes[b], stretch.last.anchors[b]])
                for at in range(1, steps):
                    where.append((s, at))
                    proposals.append(Proposal(*(start + np.float32(at / steps) * (end - start))))
        for (s, at), sighting in zip(
            where, self._refined(stretches, where, proposals), strict=True
        ):
            if sighting is not None:
                found[s][at - 1].append(sighting)

    def _follow(self, stretches: Sequence[Stretch], found: list[list[list[Sighting]]]) -> None:
        """Follows the faces that one end alone shows until they are lost."""
        chains = [c for s, stretch in enumerate(stretches) for c in _chains(s, stretch)]
        while chains:
            for chain in chains:
                chain.at += chain.step
            chains = [c for c in chains if 0 < c.at < len(stretches[c.stretch].frames) - 1]
            where = [(c.stretch, c.at) for c in chains]
            seen = self._refined(
                stretches,
                where,
                [Proposal(c.box + c.velocity, c.anchor + c.velocity) for c in chains],
            )
            alive = []
            for chain, sighting in zip(chains, seen, strict=True):
                if sighting is None:
                    continue
                found[chain.stretch][chain.at - 1].append(sighting)
                chain.velocity = np.float32(0.5) * (chain.velocity + sighting.box - chain.box)
                chain.box, chain.anchor = sighting.box, sighting.anchor
                alive.append(chain)
            chains = alive

    def _refined(
        self,
        stretches: Sequence[Stretch],
        where: Sequence[tuple[int, int]],
        proposals: Sequence[Proposal],
    ) -> list[Sighting | None]:
        """What O-Net makes of each proposal in frame ``at`` of its stretch; None: no face there.

        A face that is seen from the side or blurred is known from some places and not from
        others; where the first look is unsure, the places around are tried and the surest counts.
        """
        if not proposals:
            return []
        images = [stretches[s].frames[at].image for s, at in where]
        boxes = np.stack([p.box for p in proposals])
        best = self._look(images, np.arange(len(images)), np.stack([p.anchor for p in proposals]))
        unsure = [i for i, s in enumerate(best) if s.score < SURE]
        if unsure:
            around = np.concatenate([_around(proposals[i], best[i]) for i in unsure])
            looks = self._look(images, np.repeat(unsure, len(around) // len(unsure)), around)
            for k, i in enumerate(unsure):
                n = len(around) // len(unsure)
                best[i] = max([best[i], *looks[k * n : (k + 1) * n]], key=lambda s: s.score)
        found = np.stack([s.box for s in best])
        stays = np.diagonal(iou_matrix(found, boxes)) >= STAYS_PUT
        return [
            s if s.score >= self._threshold and ok else None
            for s, ok in zip(best, stays, strict=True)
        ]

    def _look(self, images: Sequence[Image], of_image: Indices, anchors: Float32) -> list[Sighting]:
        self.refined_boxes += len(anchors)
        faces = self._detector.refine(images, of_image, anchors)
        return [
            Sighting(*row)
            for row in zip(
                faces.boxes, faces.scores.tolist(), faces.landmarks, faces.anchors, strict=True
            )
        ]


def _around(proposal: Proposal, seen: Sighting) -> Float32:
    """``(9, 4)`` squares near a proposal: moved, larger, smaller, and around the face itself."""
    side = proposal.anchor[2] - proposal.anchor[0]
    d = np.float32(0.06) * side
    moves = np.array(
        [[-d, 0, -d, 0], [d, 0, d, 0], [0, -d, 0, -d], [0, d, 0, d],
         [-d, -d, d, d], [d, d, -d, -d]], np.float32,
    )  # fmt: skip
    near = proposal.anchor + moves
    faces = squared(np.stack([proposal.box, seen.box]))
    wide = faces + np.float32(0.1) * (faces[:, 2:3] - faces[:, :1]) * np.array(
        [-1, -1, 1, 1], np.float32
    )
    return np.concatenate([near, faces, wide[:1]])


def same_faces(first: Faces, last: Faces) -> list[tuple[int, int]]:
    """Positions of the faces that are the same in both, by the best overlap of all."""
    if not len(first) or not len(last):
        return []
    iou = iou_matrix(first.boxes, last.boxes)
    rows, columns = linear_sum_assignment(-iou)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if iou[r, c] >= SAME_FACE]


def _halves(part: Stretch, middle: Faces | None) -> list[Stretch]:
    if middle is None:
        return [part]
    at = len(part.frames) // 2
    return [
        Stretch(part.frames[: at + 1], part.first, middle),
        Stretch(part.frames[at:], middle, part.last),
    ]


def _chains(s: int, stretch: Stretch) -> list[_Chain]:
    of_first, of_last = {a for a, _ in stretch.pairs}, {b for _, b in stretch.pairs}
    end = len(stretch.frames) - 1
    forward = [
        _Chain(s, stretch.first.boxes[i], stretch.first.anchors[i], 0, 1)
        for i in range(len(stretch.first))
        if i not in of_first
    ]
    backward = [
        _Chain(s, stretch.last.boxes[i], stretch.last.anchors[i], end, -1)
        for i in range(len(stretch.last))
        if i not in of_last
    ]
    return forward + backward


def _one_each(sightings: list[Sighting]) -> Faces:
    """The frame's faces; of several sightings of one face the surest."""
    if not sightings:
        return Faces.none("refined")
    faces = Faces(
        np.stack([s.box for s in sightings]),
        np.array([s.score for s in sightings], np.float32),
        np.stack([s.landmarks for s in sightings]),
        np.stack([s.anchor for s in sightings]),
        "refined",
    )
    if len(faces) == 1:
        return faces
    kept = nms_of_smaller(faces.boxes, faces.scores, np.zeros(len(faces), np.intp), FACE_NMS)
    return Faces(
        faces.boxes[kept],
        faces.scores[kept],
        faces.landmarks[kept],
        faces.anchors[kept],
        "refined",
    )
