"""Groups clips that show the same frames, so that these frames are decoded once for all of them.

Grouping saves work, but leaves less to do in parallel; the grouping that is done first is chosen.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from facetrack.clips.plan.clip import Clip

DECODE, ENCODE = 2.5, 25.0
"""Nanoseconds for each pixel to decode H.264, and to scale and encode by x264's preset veryfast."""
CLIP = 20e6
"""Nanoseconds that a clip takes in any case: to seek, to open, to close."""
LEAD_IN = 60
"""Estimated number of frames decoded from the key frame to a clip's first frame."""
LARGEST_GROUP = 8
"""Clips written at the same time by one process: each takes its encoder's memory."""

Group = tuple[int, ...]
"""Positions in the list of clips."""


def grouped(clips: Sequence[Clip], source_pixels: int, processes: int) -> list[Group]:
    """The groups that so many processes finish first; the most expensive group comes first.

    Args:
        source_pixels: pixels of a source frame.
    """
    whole = sum(cost_of([clip], source_pixels) for clip in clips)
    choices = [
        _shared(clips, source_pixels, whole / (processes * share)) for share in (1, 2, 4, 1e9)
    ]
    groups, costs = min(choices, key=lambda choice: _end(choice[1], processes))
    return [groups[i] for i in sorted(range(len(groups)), key=lambda i: -costs[i])]


def cost_of(clips: Sequence[Clip], source_pixels: int) -> float:
    """Estimated nanoseconds of one core to write these clips as one group."""
    frames = np.unique(np.concatenate([clip.frames for clip in clips]))
    encoded = sum(len(clip.frames) * clip.size[0] * clip.size[1] for clip in clips)
    decoded = (len(frames) + LEAD_IN) * source_pixels
    return DECODE * decoded + ENCODE * encoded + CLIP * len(clips)


def _shared(
    clips: Sequence[Clip], source_pixels: int, most: float
) -> tuple[list[Group], list[float]]:
    """Groups of clips that overlap in time, none of which costs more than ``most``; and costs."""
    groups: list[list[int]] = []
    costs: list[float] = []
    for i in sorted(range(len(clips)), key=lambda i: (clips[i].frames[0], clips[i].frames[-1])):
        cost = cost_of([clips[i]], source_pixels)
        if groups and len(groups[-1]) < LARGEST_GROUP:
            end = max(clips[j].frames[-1] for j in groups[-1])
            joint = cost_of([clips[j] for j in (*groups[-1], i)], source_pixels)
            if clips[i].frames[0] <= end and joint <= min(most, costs[-1] + cost):
                groups[-1].append(i)
                costs[-1] = joint
                continue
        groups.append([i])
        costs.append(cost)
    return [tuple(group) for group in groups], costs


def _end(costs: Sequence[float], processes: int) -> float:
    """When the last process is done; each free process takes the most expensive group left."""
    free_at = [0.0] * processes
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(free_at, free_at[0] + cost)
    return max(free_at)
