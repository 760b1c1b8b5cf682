"""Which frames slow programs are measured on: short parts, evenly over the video."""

import numpy as np

LARGE_PIXELS = 1_000_000
"""Frames with more pixels than this take seconds each, so fewer of them are measured."""
PART = 5
"""Frames in one part."""


def chosen_frames(frames: int, parts: int) -> list[int]:
    """Numbers of the frames to measure, ascending.

    Args:
        frames: in the video.
        parts: of ``PART`` frames; they overlap in a short video.
    """
    starts = np.linspace(0, max(0, frames - PART), parts).astype(int)
    return sorted({i for start in starts.tolist() for i in range(start, min(start + PART, frames))})
