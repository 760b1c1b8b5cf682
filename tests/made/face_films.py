"""Films of coloured squares for faces: people who wander, cross, come and go, and are missed."""

import numpy as np

from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Faces
from facetrack.detection.detector import FrameDetections
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.recognition.calibration import FACENET
from facetrack.recognition.embedder import CropSpec

PLACES = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
"""Of eyes, nose and mouth corners in a face's box."""


def film(seed, people=6, frames=300, missed=0.05, noise=1.5, cuts=0.01):
    """People of one colour each who wander, cross, come and go; their boxes tremble, and some are
    missed now and then."""
    random = np.random.default_rng(seed)
    height, width = 180, 320
    room = np.array([width - 60, height - 60])
    colours = random.integers(0, 255, (people, 3))
    places = random.random((people, 2)) * room
    sides = random.uniform(14, 60, (people, 1))
    speeds = random.normal(0, 3, (people, 2))
    there = random.random(people) < 0.7
    detections = []
    for i in range(frames):
        cut = random.random() < cuts
        if cut:
            places = random.random((people, 2)) * room
        speeds += random.normal(0, 0.5, speeds.shape)
        speeds[(places + speeds < 0) | (places + speeds > room)] *= -1
        places = np.clip(places + speeds, 0, room)
        there ^= random.random(people) < 0.01
        shown = random.permutation(np.flatnonzero(there & (random.random(people) > missed)))
        image = random.integers(0, 60, (height, width, 3)).astype(np.uint8)
        for k in shown:
            (x, y), side = places[k].astype(int), int(sides[k, 0])
            image[y : y + side, x : x + side] = colours[k]
        corners, side = places[shown], sides[shown]
        boxes = np.concatenate([corners, corners + side * (1, 1.2)], axis=1)
        boxes = (boxes + random.normal(0, noise, boxes.shape)).astype(np.float32)
        points = PLACES + random.normal(0, 0.05, (len(shown), 5, 2))
        points = (corners[:, None] + side[:, None] * points).astype(np.float32)
        scores = random.uniform(0.7, 1, len(shown)).astype(np.float32)
        faces = Faces.of_one_source(boxes, scores, points, boxes, "detected")
        detections.append(FrameDetections(Frame(i, i / 25, RgbImage(image)), i == 0 or cut, faces))
    return detections


class ByColour:
    """Implements ``Embedder``: people of other colours look like others."""

    name, crop, dim, calibration = "by-colour", CropSpec(160, False), 300, FACENET

    def __init__(self):
        self.embedded = []

    def embed(self, crops):
        self.embedded.append(crops.tobytes())
        middle = crops[:, 60:100:4, 60:100:4].reshape(len(crops), -1).astype(np.float32) - 120
        return middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1)


FILMS = {
    "steady": (film(1, people=2, noise=0.3, missed=0, cuts=0), TrackingSettings()),
    "flicker": (film(2), TrackingSettings()),
    "crossing": (film(3, people=12, frames=150), TrackingSettings(max_gap=5)),
    "no gaps": (film(4, people=3, missed=0.4), TrackingSettings(max_gap=0)),
    "trembling": (film(5, people=8, noise=5, missed=0.3, frames=150), TrackingSettings()),
    "nobody": (film(6, people=0, frames=40), TrackingSettings()),
}
