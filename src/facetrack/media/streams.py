"""Opens media files and says which of their streams are the frame and the sound.

The same choice everywhere: frames are counted and timed by the stream that is shown later.
"""

from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from facetrack.core.errors import InputError


def open_media(path: Path) -> InputContainer:
    """Opens a file; texts in it that are not UTF-8 do no harm.

    Raises:
        FFmpegError: when libav cannot read it.
    """
    return av.open(str(path), metadata_errors="replace")


def open_again(path: Path) -> InputContainer:
    """Opens a video that was there when it was analysed.

    Raises:
        InputError: when it is not there any more, or is another.
    """
    if not path.is_file():
        raise InputError(f"{path}: the video is gone; put it back to make clips of it")
    try:
        container = open_media(path)
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read any more ({reason})") from error
    if video_stream(container) is None:
        container.close()
        raise InputError(f"{path}: no video in it any more")
    return container


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first video stream that is not cover art."""
    return next(
        (s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None
    )


def sound_stream(container: InputContainer) -> AudioStream | None:
    """Of several the one that players take: marked as default, not for the impaired, the best."""
    best = container.streams.best("audio")
    return best if isinstance(best, AudioStream) else None


def begin_s(stream: VideoStream) -> float:
    """When the frame begins on the container's clock; all times count from there."""
    return float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
