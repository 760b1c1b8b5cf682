"""Small fakes of exchangeable parts, for tests of what comes after them."""

from facetrack.testing.tracker import FakeTracker

__all__ = ["FakeTracker"]
