"""Fakes of the exchangeable parts, for tests of programs that use facetrack.

Each follows its protocol and passes the same contract tests as the real parts.
"""

from facetrack.testing.source import FakeVideoSource

__all__ = ["FakeVideoSource"]
