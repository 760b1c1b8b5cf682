"""The result of an analysis: its parts, its tables, and the folder it lives in."""

from facetrack.timeline.crops import FaceCrop, FaceCrops
from facetrack.timeline.faces import CORNERS, FACE_COLUMNS, boxes_of, landmarks_of
from facetrack.timeline.folder import METRICS_FILE, SCHEMA, thumbnail_name
from facetrack.timeline.parts import (
    Dropped,
    Interval,
    Person,
    RecognizerInfo,
    Shot,
    Split,
    TrackSummary,
    Uncertain,
)
from facetrack.timeline.result import Analysis
from facetrack.timeline.tracks import TrackFaces

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
    "TrackFaces",
    "TrackSummary",
    "Uncertain",
    "boxes_of",
    "landmarks_of",
    "thumbnail_name",
]
