"""Writes a clip: H.264 pictures and AAC sound in mp4, under its name only when whole."""

import os
import uuid
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.settings import ClipSettings

Plane = NDArray[np.uint8]


class ClipWriter:
    """A context manager; leaving it without an error finishes the file and gives it its name.

    Times are presentation times in units of ``time_base`` from the clip's start, so a variable
    frame rate stays as it was.
    """

    def __init__(
        self,
        path: Path,
        settings: ClipSettings,
        time_base: Fraction,
        fps: Fraction,
        like: VideoFrame,
        sound: tuple[int, str] | None,
    ) -> None:
        """``like`` gives the colour tags; ``sound`` is sample rate and layout, None: silent."""
        self._path = path
        self._temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.partial.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(self._temporary), "w", options={"movflags": "+faststart"})
        self._video = self._container.add_stream("libx264", rate=fps)
        self._video.width = self._video.height = settings.size
        self._video.pix_fmt = "yuv420p"
        self._video.options = {"crf": str(settings.crf), "preset": settings.preset}
        self._video.time_base = time_base
        context = self._video.codec_context
        context.time_base = time_base
        # One thread each: clips are encoded side by side, a process a core.
        context.thread_count = 1
        context.color_range = like.color_range
        context.colorspace = like.colorspace
        context.color_primaries = like.color_primaries
        context.color_trc = like.color_trc
        self._time_base = time_base
        self._audio = None
        if sound is not None:
            rate, layout = sound
            self._audio = self._container.add_stream("aac", rate=rate, layout=layout)
        self._samples = 0

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._container.mux(self._video.encode(None))
                if self._audio is not None:
                    self._container.mux(self._audio.encode(None))
                self._container.close()
                os.replace(self._temporary, self._path)
            else:
                self._container.close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def write_picture(self, planes: tuple[Plane, Plane, Plane], pts: int, duration: int) -> None:
        """One picture: Y ``(size, size)``, U and V ``(size/2, size/2)``, uint8."""
        picture = VideoFrame.from_ndarray(
            np.concatenate([plane.reshape(-1) for plane in planes]).reshape(
                planes[0].shape[0] * 3 // 2, planes[0].shape[1]
            ),
            format="yuv420p",
        )
        picture.pts = pts
        picture.time_base = self._time_base
        picture.duration = duration
        self._container.mux(self._video.encode(picture))

    def write_sound(self, samples: NDArray[np.float32]) -> None:
        """``(channels, n)`` float32 planar, following what came before."""
        assert self._audio is not None
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout=self._audio.layout.name
        )
        frame.sample_rate = self._audio.rate
        frame.pts = self._samples
        frame.time_base = Fraction(1, self._audio.rate)
        self._samples += samples.shape[1]
        self._container.mux(self._audio.encode(frame))
