"""Clips as the plan makes them, for the tests of what is made of them."""

from pathlib import Path

import av
import numpy as np

from facetrack.clips.plan.clip import Clip, Panel, Segment
from facetrack.core.frame_range import FrameRange


def clip_of(
    times_s,
    *ranges,
    crop=(48.0, 32.0, 40.0, 40.0),
    size=(64, 64),
    name="clips/a/a_0001.mp4",
    end_s=None,
    person=1,
):
    """Frames of the ranges ``(start, end)``, each as long on screen as in the film; ``crop`` is one
    for all frames, or one for each."""
    times_s = np.asarray(times_s, float)
    end_s = times_s[-1] + 0.04 if end_s is None else end_s
    edges = np.append(times_s, end_s)
    frames = np.concatenate([np.arange(a, b) for a, b in ranges]).astype(np.int32)
    lasting = (edges[1:] - edges[:-1])[frames]
    return Clip(
        Path(name),
        Segment((person,), 1, tuple(FrameRange(a, b, edges[a], edges[b]) for a, b in ranges)),
        size,
        frames,
        times_s[frames],
        np.append(0, np.cumsum(lasting)),
        (panel_of(len(frames), crop, (0, 0, *size), person),),
    )


def panel_of(count, crop, place, person=1, still_s=np.nan):
    crops = np.broadcast_to(np.asarray(crop, float), (count, 4))
    return Panel(place, np.full(count, person, np.int32), np.array(crops), np.full(count, still_s))


def greys(path):
    """Mean luma of each frame."""
    with av.open(str(path)) as container:
        return [float(f.to_ndarray(format="gray").mean()) for f in container.decode(video=0)]


def times(path):
    """Presentation time of each frame, and the end of the last."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = [(f.time, float(f.duration * stream.time_base)) for f in container.decode(video=0)]
    return [time for time, _ in shown], shown[-1][0] + shown[-1][1]


def sound(path):
    """``(channels, n)`` samples, and their rate."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts = [f.to_ndarray() for f in container.decode(stream)]
        return np.concatenate(parts, axis=1), stream.rate


def ends(path):
    """When frames and sound end, as the file itself says to players."""
    with av.open(str(path)) as container:
        return [
            float((s.start_time + s.duration) * s.time_base)
            for s in (container.streams.video[0], container.streams.audio[0])
        ]


def boxes_of(path):
    """Names of the file's top boxes in order; the last must end where the file does."""
    data = path.read_bytes()
    names, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode())
        at += length or len(data)
    assert at == len(data)
    return names


def left_behind(folder):
    return [p for p in folder.rglob("*") if "partial" in p.name]
