"""Films in which decoding can begin at many frames."""

from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
from av.video.frame import PictureType, VideoFrame


def write_chunked(source: Path, out: Path, frames: int, key_every: int) -> Path:
    """Writes frames of a video there and back, in H.264 with B-frames.

    Args:
        source: a video.
        out: the film to write.
        frames: its number of frames.
        key_every: frames from one key frame to the next.
    """
    with av.open(source) as container:
        some = list(islice(container.decode(video=0), frames))
    there_and_back = cycle([*some, *reversed(some)])
    with av.open(out, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = some[0].width, some[0].height, "yuv420p"
        stream.options = {"g": str(key_every), "preset": "veryfast", "crf": "18"}
        for number, frame in enumerate(islice(there_and_back, frames)):
            copy = VideoFrame.from_ndarray(frame.to_ndarray(format="yuv420p"), format="yuv420p")
            copy.pts, copy.time_base = number, Fraction(1, 25)
            copy.pict_type = PictureType.NONE
            container.mux(stream.encode(copy))
        container.mux(stream.encode())
    return out
