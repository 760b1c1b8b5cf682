"""Small fakes of facetrack's protocols, for tests of code that uses these protocols."""

from facetrack.testing.exporter import FakeExporter

__all__ = ["FakeExporter"]
