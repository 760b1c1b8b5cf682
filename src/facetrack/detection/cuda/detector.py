"""A torch detector around any ``BatchNetworks``: several batches in flight, and the embeddings of
the faces that they find."""

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
from facetrack.detection.cuda.found import Capacity
from facetrack.media.frame_image import FrameImage
from facetrack.runtime.batching import SMALLEST

log = logging.getLogger(__name__)

MOST_AHEAD = 512
"""Maximum of ``frames_ahead``,"""
BYTES_AHEAD = 1 << 26
"""and the free GPU memory that each of these frames needs."""
IN_FLIGHT = 4
"""Maximum number of batches of one call that are started: while one runs, the results of those
before are copied to the host and read."""

FrameGroup = Sequence[FrameImage]
FacesLater = Callable[[], Iterable[Faces]]
"""Waits for the embeddings, if there are any; gives the faces of each frame."""
BatchLater = Callable[[], FacesLater]
"""Waits until the faces of a batch are found."""
C = TypeVar("C", bound=Capacity)
T = TypeVar("T")


class EagerEmbedder(Protocol):
    """Embeds the faces of frames in GPU memory as soon as they are found."""

    def soon(self, work: Callable[[], T], /) -> Callable[[], T]:
        """Calls ``work`` in the embedder's thread; what it returns waits for the result."""
        ...

    def start(
        self, frames: FrameGroup, counts: Sequence[int], faces: Faces
    ) -> Callable[[], Recognised] | None:
        """Starts to embed faces; what it returns waits for the result. None: there is no memory.

        ``faces``: of all frames, one frame after the other; ``counts``: number of each frame's.
        """
        ...


class TorchDetector(Generic[C]):
    """Implements ``Detector.detect`` with any ``BatchNetworks``.

    Raises:
        FacetrackError: from any method, when the GPU has no memory left.
    """

    def __init__(
        self,
        networks: BatchNetworks[C],
        device: torch.device,
        eager_embedder: EagerEmbedder | None,
    ) -> None:
        """``eager_embedder``: embeds the faces of frames in GPU memory as soon as they are
        found."""
        cuda = device.type == "cuda"
        self._device = device
        self._eager_embedder = eager_embedder
        self._networks = networks
        self.frames_ahead = frames_ahead(device) if cuda else 1
        self.smallest_batch = max(1, self.frames_ahead // 4) if cuda else SMALLEST
        self._batches: GpuBatches[C] | HostBatches[C] = shared(
            ("torch batches", networks),
            lambda: GpuBatches(networks, device) if cuda else HostBatches(networks),
        )
        self.batch_sizes: list[int] = []
        """Number of frames of every batch so far, in order."""

    def detect(self, images: FrameGroup) -> Iterator[Faces]:
        """See ``Detector.detect``."""
        waiting: deque[FrameGroup] = deque([images] if images else [])
        running: deque[BatchLater] = deque()
        self._start_some(waiting, running)
        return self._found(waiting, running)

    def _found(self, waiting: deque[FrameGroup], running: deque[BatchLater]) -> Iterator[Faces]:
        while running:
            faces = running.popleft()()
            self._start_some(waiting, running)
            yield from faces()

    def _later(self, group: FrameGroup, batch: Running[C]) -> BatchLater:
        """Reads the batch when its faces are asked for. With embeddings, the embedder's thread
        reads it as soon as it is done, because the caller may be busy then."""
        embedder = self._eager_embedder if is_on_gpu(group) else None
        read = partial(self._read, group, batch, embedder)
        return read if embedder is None else embedder.soon(read)

    def _read(
        self, group: FrameGroup, batch: Running[C], embedder: EagerEmbedder | None
    ) -> FacesLater:
        """Waits for the batch, and starts to embed its faces."""
        arrays = batch.wait()
        wanted = arrays[-1].tolist()
        if batch.capacity.grown_for(wanted) != batch.capacity:  # run again, so no face is lost
            self._batches.capacity = self._batches.capacity.grown_for(wanted)
            return partial(self.detect, group)
        counts, faces = self._all_faces(arrays, len(group))
        recognised = None if embedder is None else embedder.start(group, counts, faces)
        if recognised is None:
            return lambda: faces.split(counts)
        return lambda: faces.with_recognised(recognised()).split(counts)

    def _all_faces(self, arrays: Arrays, frames: int) -> tuple[list[int], Faces]:
        """The number of faces of each frame, and all faces, one frame after the other."""
        *found, counts, _ = arrays
        counts = counts[:frames]
        filled = np.arange(found[0].shape[1]) < counts[:, None]
        boxes, scores, landmarks, anchors = (array[:frames][filled] for array in found)
        faces = Faces.of_one_source(
            boxes, self._probability(scores), landmarks, anchors, "detected"
        )
        return counts.astype(int).tolist(), faces

    def _probability(self, scores: Float32) -> Float32:
        """``(n,)`` scores of the networks to probabilities that a box holds a face."""
        return scores

    def _start_some(self, waiting: deque[FrameGroup], running: deque[BatchLater]) -> None:
        """Starts batches until ``IN_FLIGHT`` are running."""
        memory_will_come_back = bool(running)
        while waiting and len(running) < IN_FLIGHT:
            group = waiting.popleft()
            size = self._batches.size(group)
            if len(group) > size:
                waiting.appendleft(group[size:])
                group = group[:size]
            batch = self._started(group, size, memory_will_come_back)
            if batch is None:
                # Its tensors are gone only here, after the exception: now memory can be given back.
                _wait_for_all(running)
                memory_will_come_back = False
                self._batches.forget()
                waiting.appendleft(group)
            else:
                memory_will_come_back = True
                running.append(self._later(group, batch))
                self.batch_sizes.append(len(group))

    def _started(
        self, group: FrameGroup, size: int, memory_will_come_back: bool
    ) -> Running[C] | None:
        """The started batch. None: memory ran out; from now on batches are half as large.

        ``memory_will_come_back``: whether running batches hold memory that they will give back.
        """
        try:
            batch: Running[C] = self._batches.start(group, size, self._batches.capacity)
            return batch
        except RuntimeError as error:
            if not ran_out(error):
                raise
            if size == 1 and not memory_will_come_back:
                raise FacetrackError(
                    f"{self._networks.name} on {self._device}: no memory for even one frame of "
                    f"{group[0].shape}; end other programs on the GPU, or use --device cpu"
                ) from error
        self._batches.limit = max(1, size // 2)
        log.warning("out of memory with %d frames; going on with %d", size, max(1, size // 2))
        return None


def _wait_for_all(running: deque[BatchLater]) -> None:
    """Waits until the faces of all batches are found, so that they hold no GPU memory."""
    for i, batch in enumerate(running):
        running[i] = partial(_finished, batch())


def _finished(faces: FacesLater) -> FacesLater:
    return faces


def frames_ahead(device: torch.device) -> int:
    """Number of frames that may wait in GPU memory: a power of two, as batch sizes are."""
    fitting = max(1, min(MOST_AHEAD, bytes_at_hand(device) // BYTES_AHEAD))
    return 1 << (fitting.bit_length() - 1)
