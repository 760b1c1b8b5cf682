"""A frame held in the panel of a person who is not in the shot.

It is made dark and pale, so that it is not taken for what happens now.
"""

from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.clips.render.reframe import reframe
from facetrack.core.types import Clock, StreamChoice
from facetrack.media.encode import ColorInfo
from facetrack.media.frame_reader import FrameReader
from facetrack.media.planar import PLANAR, UprightPlanes, darken, paste, planes

LIGHT, COLOUR = 0.6, 0.3
"""Share of the brightness and of the colour that is left."""


class FreezeFrames:
    """The freeze frames of one clip. Reads each once; keeps one a panel, of the panel's size."""

    def __init__(self, source: Path, streams: StreamChoice, clock: Clock) -> None:
        self._source, self._streams, self._clock = source, streams, clock
        self._kept: dict[int, tuple[tuple[float, ...], VideoFrame]] = {}
        """For each panel: time and crop of its freeze frame, and the frame."""

    def show(
        self,
        panel: int,
        time_s: float,
        crop: NDArray[np.float64],
        color: ColorInfo,
        target: VideoFrame,
        place: tuple[int, int, int, int],
    ) -> None:
        """Puts a frame of the source into a panel.

        Args:
            panel: number of the panel in the clip.
            time_s: presentation time of the frame that is held.
            crop: centre x, centre y, width and height in pixels of the upright source.
            place: x, y, width and height of the panel in pixels of the target; even.

        Raises:
            InputError: when the source is gone.
            EOFError: when no frame can be read there.
        """
        x, y, width, height = place
        which = (time_s, *crop.tolist())
        if panel not in self._kept or self._kept[panel][0] != which:
            still = VideoFrame(width, height, target.format.name)
            reframe(self._read(time_s, color), crop, still, (0, 0, width, height))
            darken(still, color.full_range, LIGHT, COLOUR)
            self._kept[panel] = which, still
        across, down, _ = PLANAR[target.format.name]
        still = self._kept[panel][1]
        paste(planes(still), (0, 0, width, height), planes(target), (x, y), (across, down))

    def _read(self, time_s: float, color: ColorInfo) -> UprightPlanes:
        with FrameReader.open(self._source, self._streams, self._clock) as reader:
            frame = reader.frame_at(time_s)
        if frame is None:
            raise EOFError("the source has no frame there any more")
        return color.planes_of(frame)
