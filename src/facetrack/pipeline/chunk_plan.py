"""Cuts a film into chunks: the units of work of all cores, GPUs and machines.

The plan follows from the file and the settings alone, never from the number of workers. So results
are the same with one worker or a hundred.

A chunk begins some frames after a frame at which decoding can begin. These ``LEAD_IN`` frames are
decoded and not searched for faces: they show whether the chunk's first frames begin a shot. The
``LEAD_OUT`` frames after its last one show the same of that. Two neighbours share one frame, the
first one of the later chunk, so that tracks can be joined there.
"""

from dataclasses import dataclass

from facetrack.core.settings import DecodeSettings, DetectionSettings
from facetrack.media.frame_index import FrameIndex, FrameSpan

LEAD_IN = 24
"""Frames that are decoded before a chunk, at least."""
LEAD_OUT = 64
"""Frames that are decoded after a chunk at most: a cut is told from the frames after it."""
SHORTEST, LONGEST = 128, 320
"""Frames of a chunk, where the settings say nothing: a 32nd of the film within these bounds, so
that a short film fills all cores and a long one has little work twice."""
PARTS = 32
ON_GPU, MANY_ON_GPU = 2048, 24
"""Frames of a chunk where a GPU does the work, and the least number of them: a GPU is idle for a
fifth of a second while a chunk ends and the next one begins, and processes take seconds to
start. A shorter film is one chunk."""


@dataclass(frozen=True)
class Chunk:
    """Frames ``first`` to ``stop`` of a film, ``stop`` not included."""

    number: int
    """From 0, in order."""
    first: int
    stop: int
    span: FrameSpan
    """The frames that are decoded, from ``LEAD_IN`` before to ``LEAD_OUT`` after."""
    ends: bool
    """Whether no chunk is after it."""

    @property
    def begins(self) -> bool:
        """Whether no chunk is before it."""
        return self.number == 0

    @property
    def last_searched(self) -> int:
        """The last frame whose faces are detected: the first one of the next chunk, if any."""
        return self.stop - 1 if self.ends else self.stop


def chunk_plan(
    index: FrameIndex, decode: DecodeSettings, detection: DetectionSettings
) -> list[Chunk]:
    """The chunks of a film, in order; none where the range of the settings holds no frame.

    Edges lie on frames that are searched anyway. They lie behind key frames of the file; where
    those are rare, chunks are as long as the file makes them.
    """
    end_s = float("inf") if decode.duration_s is None else decode.start_s + decode.duration_s
    frames = index.between(decode.start_s, end_s)
    if not frames:
        return []
    length = decode.chunk_frames or _usual_length(len(frames), detection)
    step = 1 if detection.on_every_frame else detection.key_interval
    edges = [(frames.start, index.key_before(frames.start))]
    for key in index.keys.tolist():
        first = -(-(key + LEAD_IN) // step) * step
        if first - edges[-1][0] >= length and frames.stop - first >= length // 2:
            edges.append((first, key))
    stops = [first for first, _ in edges[1:]] + [frames.stop]
    return [
        Chunk(
            number, first, stop,
            index.span(key, min(stop + LEAD_OUT, frames.stop)), stop == frames.stop,
        )
        for number, ((first, key), stop) in enumerate(zip(edges, stops, strict=True))
    ]  # fmt: skip


def _usual_length(frames: int, detection: DetectionSettings) -> int:
    """Frames of a chunk of a film with so many."""
    if detection.device == "cuda":
        return ON_GPU if frames >= MANY_ON_GPU * ON_GPU else frames
    return min(max(frames // PARTS, SHORTEST), LONGEST)
