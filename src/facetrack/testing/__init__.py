"""Small implementations of the protocols, for tests of code that takes one."""

from facetrack.testing.embedder import FakeEmbedder

__all__ = [
    "FakeEmbedder",
]
