"""Small real implementations of the protocols, for tests that need no networks.

Each passes the same contract tests as the implementations that ship (tests/contract).
"""

from facetrack.testing.detector import FakeDetector, frame_with_squares
from facetrack.testing.embedder import FakeEmbedder
from facetrack.testing.exporter import FakeExporter
from facetrack.testing.source import FakeVideoSource
from facetrack.testing.tracker import FakeTracker

__all__ = [
    "FakeDetector",
    "FakeEmbedder",
    "FakeExporter",
    "FakeTracker",
    "FakeVideoSource",
    "frame_with_squares",
]
