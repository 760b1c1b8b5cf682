"""Small real implementations of the protocols, for tests that need no networks.

Each passes the same contract tests as the implementations that ship (tests/contract).
"""

from facetrack.testing.detector import FakeDetector, frame_with_squares

__all__ = ["FakeDetector", "frame_with_squares"]
