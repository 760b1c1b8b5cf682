"""The calls of the library: ``import facetrack`` gives them all."""

from facetrack.api.analyze import OnProgress, OnSample, analyze
from facetrack.api.render import plan, render, write_report

__all__ = ["OnProgress", "OnSample", "analyze", "plan", "render", "write_report"]
