"""The last frame of somebody who is not in the shot, held in their panel: dark and pale, so that
it is not taken for what goes on beside it."""

from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.clips.render.reframe import reframe
from facetrack.media.encode import Look
from facetrack.media.frame_reader import FrameReader
from facetrack.media.planar import PLANAR, darken, paste, planes
from facetrack.media.streams import open_media, video_stream
from facetrack.media.upright import Upright

LIGHT, COLOUR = 0.6, 0.3
"""Share of the brightness and of the colour that is left."""


class FreezeFrames:
    """Reads each held frame once; keeps one a panel, as large as the panel."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._held: dict[int, tuple[tuple[float, ...], VideoFrame]] = {}

    def show(
        self,
        panel: int,
        time_s: float,
        crop: NDArray[np.float64],
        look: Look,
        target: VideoFrame,
        place: tuple[int, int, int, int],
    ) -> None:
        """Puts the source's frame of that time into the panel's place, cropped as ``reframe``."""
        x, y, width, height = place
        which = (time_s, *crop.tolist())
        if panel not in self._held or self._held[panel][0] != which:
            still = VideoFrame(width, height, target.format.name)
            reframe(self._read(time_s, look), crop, still, (0, 0, width, height))
            darken(still, look.full_range, LIGHT, COLOUR)
            self._held[panel] = which, still
        across, down, _ = PLANAR[target.format.name]
        still = self._held[panel][1]
        paste(planes(still), (0, 0, width, height), planes(target), (x, y), (across, down))

    def _read(self, time_s: float, look: Look) -> Upright:
        with open_media(self._source) as container:
            stream = video_stream(container)
            assert stream is not None
            reader = FrameReader(container, stream)
            for _, image, _ in reader.frames(reader.ticks(np.array([time_s]))):
                return Upright.of(image, look.matrix)
        raise EOFError("the source has no frame there any more")
