"""Which clips are written together: those that show the same frames share the decoding of them.

Sharing saves work and takes away what could be done side by side; what is soonest done is chosen.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from facetrack.clips.plan.clip import Clip

DECODE, ENCODE = 2.5, 25.0
"""Nanoseconds a pixel to decode H.264, and to scale and encode with x264's preset veryfast."""
CLIP = 20e6
"""Nanoseconds that a clip takes besides: to seek, to open, to close."""
LEAD_IN = 60
"""Frames decoded from the key frame to a clip's first, a guess."""
MOST_TOGETHER = 8
"""Clips written at a time by one process: each holds its encoder's memory."""

Group = tuple[int, ...]
"""Positions in the list of clips."""


def grouped(clips: Sequence[Clip], source_pixels: int, processes: int) -> list[Group]:
    """Groups that are soonest done by so many processes, the dearest first."""
    whole = sum(cost_of([clip], source_pixels) for clip in clips)
    choices = [
        _shared(clips, source_pixels, whole / (processes * share)) for share in (1, 2, 4, 1e9)
    ]
    groups, costs = min(choices, key=lambda choice: _end(choice[1], processes))
    return [groups[i] for i in sorted(range(len(groups)), key=lambda i: -costs[i])]


def cost_of(clips: Sequence[Clip], source_pixels: int) -> float:
    """About how many nanoseconds of one core it takes to write these together."""
    frames = np.unique(np.concatenate([clip.frames for clip in clips]))
    encoded = sum(len(clip.frames) * clip.size[0] * clip.size[1] for clip in clips)
    decoded = (len(frames) + LEAD_IN) * source_pixels
    return DECODE * decoded + ENCODE * encoded + CLIP * len(clips)


def _shared(
    clips: Sequence[Clip], source_pixels: int, most: float
) -> tuple[list[Group], list[float]]:
    """Clips that overlap in time together, as long as a group costs no more than ``most``."""
    groups: list[list[int]] = []
    costs: list[float] = []
    for i in sorted(range(len(clips)), key=lambda i: (clips[i].frames[0], clips[i].frames[-1])):
        cost = cost_of([clips[i]], source_pixels)
        if groups and len(groups[-1]) < MOST_TOGETHER:
            end = max(clips[j].frames[-1] for j in groups[-1])
            together = cost_of([clips[j] for j in (*groups[-1], i)], source_pixels)
            if clips[i].frames[0] <= end and together <= min(most, costs[-1] + cost):
                groups[-1].append(i)
                costs[-1] = together
                continue
        groups.append([i])
        costs.append(cost)
    return [tuple(group) for group in groups], costs


def _end(costs: Sequence[float], processes: int) -> float:
    """When the last process is done, the dearest group first to whoever is free."""
    free_at = [0.0] * processes
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(free_at, free_at[0] + cost)
    return max(free_at)
