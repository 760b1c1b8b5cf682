"""Prints microseconds per frame of both trackers, on the recorded clips there and back.

    PYTHONPATH=tests python tools/tracker_speed.py [TIMES]

CPU time of the thread, best of four. ``DetectionBatch`` is the part that both trackers share.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from facetrack.core.settings import TrackingSettings
from facetrack.detection.detector import FrameDetections
from facetrack.media.frame_image import Frame
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.local_changes import LocalChanges
from facetrack.tracking.speculative import SpeculativeTracker
from facetrack.tracking.tracker import SortTracker
from made.face_films import ByColour
from made.recorded_detections import MAX_CROPS, read_detections

GOLDEN = Path(__file__).parents[1] / "tests" / "tracking" / "golden"
CLIPS = ("crowd_1080p", "WolfgangLanger_Pexels")
BATCHES = (1, 64)


def there_and_back(clip: str, times: int) -> list[FrameDetections]:
    once = read_detections(GOLDEN / f"{clip}.npz")
    frames = [one for k in range(times) for one in (once[::-1] if k % 2 else once)]
    return [
        FrameDetections(Frame(i, i / 25, one.frame.image), i == 0, one.faces)
        for i, one in enumerate(frames)
    ]


def share_both(frames: Sequence[FrameDetections], batch: int) -> None:
    changes = LocalChanges()
    for i in range(0, len(frames), batch):
        DetectionBatch(frames[i : i + batch], TrackingSettings().min_iou, changes)


def track(kind: type[SortTracker], frames: Sequence[FrameDetections], batch: int) -> None:
    tracker = kind(TrackingSettings(), MAX_CROPS, FaceEmbedder(ByColour()))
    for i in range(0, len(frames), batch):
        tracker.update(frames[i : i + batch])
    tracker.finish()


def seconds(function: Callable[[], None]) -> float:
    start = time.thread_time()
    function()
    return time.thread_time() - start


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    for clip in CLIPS:
        frames = there_and_back(clip, times)
        for batch in BATCHES:
            parts = {
                "DetectionBatch": lambda f=frames, b=batch: share_both(f, b),
                "SortTracker": lambda f=frames, b=batch: track(SortTracker, f, b),
                "SpeculativeTracker": lambda f=frames, b=batch: track(SpeculativeTracker, f, b),
            }
            best = dict.fromkeys(parts, float("inf"))
            for _ in range(4):
                for name, part in parts.items():
                    best[name] = min(best[name], seconds(part))
            us = {name: round(s / len(frames) * 1e6) for name, s in best.items()}
            print(f"{clip}, {len(frames)} frames, batches of {batch}: {us} us per frame")


if __name__ == "__main__":
    main()
