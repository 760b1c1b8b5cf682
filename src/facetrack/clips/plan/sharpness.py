"""How sharp a face is in a span of a video, from a few of its frames."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrack.core.errors import InputError
from facetrack.media.decode import upright
from facetrack.media.frame_reader import FrameReader
from facetrack.media.streams import open_again, video_stream
from facetrack.recognition.crops import box_crop
from facetrack.recognition.quality import sharpness

LOOKS = 7
"""Frames that are looked at, spread over the span."""


def measured_sharpness(
    video: Path, times_s: NDArray[np.float64], boxes: NDArray[np.float64]
) -> float:
    """0 to 1: the median of a few faces, spread over all.

    Args:
        times_s: ``(n,)`` presentation times of the frames, increasing.
        boxes: ``(n, 4)`` the face in each.

    Raises:
        InputError: when the video is gone, or none of the frames can be read again.
    """
    looks = np.unique(np.linspace(0, len(boxes) - 1, LOOKS).round().astype(int))
    with open_again(video) as container:
        stream = video_stream(container)
        assert stream is not None
        reader = FrameReader(container, stream)
        found = [
            sharpness(box_crop(upright(image), box))
            for (_, image, _), box in zip(
                reader.frames(reader.ticks(times_s[looks])),
                boxes[looks].astype(np.float32),
                strict=False,  # of a file that was cut off less comes
            )
        ]
    if not found:
        raise InputError(f"{video}: no frame at {times_s[0]:.2f} s any more")
    return float(np.median(found))
