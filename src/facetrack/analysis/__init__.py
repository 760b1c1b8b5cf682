"""The result of an analysis: its parts, its tables, and the folder it lives in."""

from facetrack.analysis.crops import FaceCrop, FaceCrops
from facetrack.analysis.faces import CORNERS, FACE_COLUMNS, boxes_of, landmarks_of
from facetrack.analysis.folder import METRICS_FILE, SCHEMA, thumbnail_name
from facetrack.analysis.parts import (
    Dropped,
    Interval,
    Person,
    RecognizerInfo,
    Shot,
    Split,
    TrackSummary,
    Uncertain,
)
from facetrack.analysis.result import Analysis
from facetrack.analysis.tracks import TrackFaces

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
