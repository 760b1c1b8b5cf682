"""The result of an analysis: its parts, its tables, and the folder that keeps it."""

from facetrack.timeline.crops import FaceCrop, FaceCrops
from facetrack.timeline.faces import CORNERS, FACE_COLUMNS, TrackFaces, boxes_of, landmarks_of
from facetrack.timeline.folder import METRICS_FILE, SCHEMA
from facetrack.timeline.parts import (
    Dropped,
    Interval,
    Person,
    RecognizerInfo,
    Shot,
    Split,
    Track,
    Uncertain,
    thumbnail_name,
)
from facetrack.timeline.result import Analysis

__all__ = [
    "CORNERS",
    "FACE_COLUMNS",
    "METRICS_FILE",
    "SCHEMA",
    "Analysis",
    "Dropped",
    "FaceCrop",
    "FaceCrops",
    "Interval",
    "Person",
    "RecognizerInfo",
    "Shot",
    "Split",
    "Track",
    "TrackFaces",
    "Uncertain",
    "boxes_of",
    "landmarks_of",
    "thumbnail_name",
]
