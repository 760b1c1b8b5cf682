"""A detector in torch: batches on their way, and the embeddings of what they find.

On a GPU in float16, or on the CPU in float32, to be compared.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch

from facetrack.core.errors import FacetrackError
from facetrack.core.shared import shared
from facetrack.core.types import Faces, Float32, Recognised
from facetrack.cuda.memory import bytes_at_hand, ran_out
from facetrack.detection.cuda.batches import (
    Arrays,
    BatchNetworks,
    GpuBatches,
    HostBatches,
    Running,
    is_on_gpu,
)
from facetrack.detection.cuda.found import Room
from facetrack.media.frame_image import FrameImage
from facetrack.runtime.batching import SMALLEST

log = logging.getLogger(__name__)

MOST_AHEAD = 512
BYTES_AHEAD = 1 << 26
"""Of a GPU's memory at hand for each frame that may wait."""
IN_FLIGHT = 4
"""Batches of one call at a time: while one runs, those before are copied back and looked at."""

Part = Sequence[FrameImage]
FacesLater = Callable[[], Iterable[Faces]]
"""Waits for the embeddings, if there are any."""
Looked = Callable[[], FacesLater]
"""Waits until the faces of a batch are found."""
R = TypeVar("R", bound=Room)
T = TypeVar("T")


class EagerEmbedder(Protocol):
    """Embeds the faces of frames that lie on a GPU as soon as they are found."""

    def soon(self, look: Callable[[], T]) -> Callable[[], T]:
        """Calls ``look`` in a thread of its own; the answer waits for it."""
        ...

    def start(
        self, frames: Part, counts: Sequence[int], faces: Faces
    ) -> Callable[[], Recognised] | None:
        """Begins to embed ``counts[i]`` faces of each frame; the answer waits for it. None: there
        is no memory for it."""
        ...


class TorchDetector(Generic[R]):
    """Finds faces with any ``BatchNetworks``.

    Raises:
        FacetrackError: at any time, when a GPU's memory is all taken.
    """

    def __init__(
        self,
        networks: BatchNetworks[R],
        device: torch.device,
        ahead: EagerEmbedder | None,
    ) -> None:
        """``ahead``: embeds the faces of frames that lie on the GPU, as soon as they are found."""
        cuda = device.type == "cuda"
        self._device = device
        self._ahead = ahead
        self._networks = networks
        self.frames_ahead = frames_ahead(device) if cuda else 1
        self.smallest_batch = max(1, self.frames_ahead // 4) if cuda else SMALLEST
        self._batches: GpuBatches[R] | HostBatches[R] = shared(
            ("torch batches", networks),
            lambda: GpuBatches(networks, device) if cuda else HostBatches(networks),
        )
        self.batch_sizes: list[int] = []
        """Of every batch so far, in order."""

    def detect(self, images: Part) -> Iterator[Faces]:
        """See ``Detector.detect``."""
        waiting: deque[Part] = deque([images] if images else [])
        running: deque[Looked] = deque()
        self._start_some(waiting, running)
        return self._found(waiting, running)

    def _found(self, waiting: deque[Part], running: deque[Looked]) -> Iterator[Faces]:
        while running:
            faces = running.popleft()()
            self._start_some(waiting, running)
            yield from faces()

    def _looked_at(self, part: Part, batch: Running[R]) -> Looked:
        """Frames that are on the GPU get embeddings too, begun by a thread that waits for the
        batch: whoever asks for the faces may be busy when they are found."""
        ahead = self._ahead if is_on_gpu(part) else None
        look = partial(self._look, part, batch, ahead)
        return look if ahead is None else ahead.soon(look)

    def _look(self, part: Part, batch: Running[R], ahead: EagerEmbedder | None) -> FacesLater:
        arrays = batch.wait()
        wanted = arrays[-1].tolist()
        if batch.room.with_room_for(wanted) != batch.room:  # done again, so nothing is lost
            self._batches.room = self._batches.room.with_room_for(wanted)
            return partial(self.detect, part)
        counts, together = self._together(arrays, len(part))
        known = None if ahead is None else ahead.start(part, counts, together)
        if known is None:
            return lambda: together.split(counts)
        return lambda: together.with_recognised(known()).split(counts)

    def _together(self, arrays: Arrays, frames: int) -> tuple[list[int], Faces]:
        """How many faces each frame has, and all of them, frame after frame."""
        *found, counts, _ = arrays
        counts = counts[:frames]
        filled = np.arange(found[0].shape[1]) < counts[:, None]
        boxes, scores, landmarks, anchors = (array[:frames][filled] for array in found)
        faces = Faces.of_one_source(
            boxes, self._probability(scores), landmarks, anchors, "detected"
        )
        return counts.astype(int).tolist(), faces

    def _probability(self, scores: Float32) -> Float32:
        """That a box is a face, from what the networks call a score."""
        return scores

    def _start_some(self, waiting: deque[Part], running: deque[Looked]) -> None:
        on_their_way = bool(running)
        while waiting and len(running) < IN_FLIGHT:
            part = waiting.popleft()
            size = self._batches.size(part)
            if len(part) > size:
                waiting.appendleft(part[size:])
                part = part[:size]
            batch = self._started(part, size, on_their_way)
            if batch is None:  # only here its tensors are gone, and memory can be given back
                _wait_for_all(running)
                on_their_way = False
                self._batches.forget()
                waiting.appendleft(part)
            else:
                on_their_way = True
                running.append(self._looked_at(part, batch))
                self.batch_sizes.append(len(part))

    def _started(self, part: Part, size: int, on_their_way: bool) -> Running[R] | None:
        """None where memory runs out: from now on batches are half as large.

        ``on_their_way``: whether batches that hold memory will give it back.
        """
        try:
            batch: Running[R] = self._batches.start(part, size, self._batches.room)
            return batch
        except RuntimeError as error:
            if not ran_out(error):
                raise
            if size == 1 and not on_their_way:
                raise FacetrackError(
                    f"{self._networks.name} on {self._device}: no memory for even one picture of "
                    f"{part[0].shape}; end other programs on the GPU, or use --device cpu"
                ) from error
        self._batches.limit = max(1, size // 2)
        log.warning("out of memory with %d pictures; going on with %d", size, max(1, size // 2))
        return None


def _wait_for_all(running: deque[Looked]) -> None:
    """Until their faces are known; what they hold of the GPU's memory is let go."""
    for i, look in enumerate(running):
        running[i] = partial(_known, look())


def _known(faces: FacesLater) -> FacesLater:
    return faces


def frames_ahead(device: torch.device) -> int:
    """Frames that may wait on a GPU: a power of two, as the sizes of graphs are."""
    fitting = max(1, min(MOST_AHEAD, bytes_at_hand(device) // BYTES_AHEAD))
    return 1 << (fitting.bit_length() - 1)
