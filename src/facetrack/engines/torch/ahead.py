"""Embeddings of all faces of a batch that is on a card, before anybody asks for one.

The tracker's questions come one by one, and each answer decides the next question: a card that is
asked so waits most of the time. It embeds every face of a batch in less time than it detects them.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.engines.torch.captured import Answer, Captured
from facetrack.engines.torch.embedder import TorchEmbedder
from facetrack.media.card_memory import ran_out
from facetrack.media.card_streams import stream
from facetrack.media.face_cut import BOX_CROP_SIZE
from facetrack.pipeline.memory import Crossing, preallocate_tensors
from facetrack.recognition.crops import box_corners
from facetrack.recognition.quality import SHARP
from facetrack.types import Float32, Recognised

if TYPE_CHECKING:
    from facetrack.media.card_picture import CardPicture

log = logging.getLogger(__name__)

TOGETHER = 128
"""Faces of the one graph, which is filled up with the last face: networks of another size round
otherwise, and then a run would not repeat itself bit for bit."""
PLACE = 7
"""Numbers that say where a face is: see ``card_chips.Place``."""

T = TypeVar("T")


class Ahead:
    """Makes crops, their sharpness and embeddings on a stream of its own; from any thread."""

    def __init__(self, embedder: TorchEmbedder, device: torch.device) -> None:
        self._network, self._dim, self._device = embedder.network, embedder.dim, device
        self._stream = stream("ahead", device, priority=-1)
        self._graphs: dict[tuple[int, bool], Captured | None] = {}
        """By the colours of the pictures; None where memory for it ran out."""
        self._pool: object = None
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        """As long as the process, as the networks are; Python joins it at the end."""
        self.soon(self._make_ready)()

    def soon(self, look: Callable[[], T]) -> Callable[[], T]:
        """Calls it in a thread, after all that were to be called before; what is returned waits
        for it, and raises what it raised."""
        return self._thread.submit(look).result

    @torch.inference_mode()
    def start(
        self, pictures: "Sequence[CardPicture]", counts: Sequence[int], boxes: Float32
    ) -> Callable[[], Recognised] | None:
        """Begins the work; what is returned waits for it. None where memory for it ran out: faces
        are embedded when somebody asks then.

        ``boxes``: ``(n, 4)``, picture after picture, of which each has so many.
        """
        places = _places(pictures, counts, boxes)
        groups = [places[i : i + TOGETHER] for i in range(0, len(places), TOGETHER)]
        if not groups:
            return lambda: _joined([], self._dim)
        with self._lock, torch.cuda.stream(self._stream):
            graph = self._graph(pictures[0].colour, groups[0])
            if graph is None:
                return None
            answers = [(len(group), graph.run(_filled_with(group))) for group in groups]
        return lambda: _joined(answers, self._dim)

    @torch.inference_mode()
    def _make_ready(self) -> None:
        """The thread gets what libraries hold for each that computes, while there is memory."""
        with torch.cuda.stream(self._stream):
            shape = 1, BOX_CROP_SIZE, BOX_CROP_SIZE, 3
            self._network(torch.zeros(shape, dtype=torch.uint8, device=self._device))
            self._stream.synchronize()

    def _graph(self, colour: tuple[int, bool], places: NDArray[np.int64]) -> Captured | None:
        if colour not in self._graphs:
            try:
                self._graphs[colour] = self._captured(colour, _filled_with(places))
            except RuntimeError as error:
                if not ran_out(error):
                    raise
                self._graphs[colour] = None
            if self._graphs[colour] is None:  # only here what it had taken can be given back
                torch.cuda.empty_cache()
                log.warning("no memory to embed faces as they are found; it is done as needed")
        return self._graphs[colour]

    def _captured(self, colour: tuple[int, bool], fill: Callable[[Crossing], None]) -> Captured:
        from facetrack.media.card_chips import chips_at
        from facetrack.media.card_picture import colour_arguments

        def new_way(results: int) -> Crossing:
            return preallocate_tensors(TOGETHER * PLACE, results, None, self._device)

        def look(numbers: Tensor) -> Tensor:
            chips = chips_at(numbers.view(TOGETHER, PLACE), matrix)
            return torch.cat([self._network(chips), sharpness(chips)[:, None]], 1)

        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        matrix = torch.tensor(colour_arguments(*colour), device=self._device)
        first = new_way(0)
        fill(first)
        return Captured(look, first, new_way, self._pool, self._device)


def _filled_with(places: NDArray[np.int64]) -> Callable[[Crossing], None]:
    def fill(way: Crossing) -> None:
        table = way.numbers.numpy().reshape(TOGETHER, PLACE)
        table[: len(places)] = places
        table[len(places) :] = places[-1]

    return fill


def sharpness(chips: Tensor) -> Tensor:
    """``(n,)`` as ``recognition.quality.sharpness``, of ``(n, 160, 160, 3)`` uint8."""
    grey = chips.float().sum(3) / 3
    laplacian = (
        grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        - 4 * grey[:, 1:-1, 1:-1]
    )  # fmt: skip
    return (laplacian.flatten(1).var(1, correction=0) / SHARP).clamp(max=1.0)


def _places(
    pictures: "Sequence[CardPicture]", counts: Sequence[int], boxes: Float32
) -> NDArray[np.int64]:
    """``(n, 7)`` int64."""
    size = np.array(pictures[0].shape[::-1])
    places = np.empty((len(boxes), PLACE), np.int64)
    places[:, 0] = np.repeat([p.nv12.data_ptr() for p in pictures], counts)
    places[:, 1:3] = size
    places[:, 3:] = box_corners(boxes, size)
    return places


def _joined(answers: Sequence[tuple[int, Answer]], dim: int) -> Recognised:
    numbers = np.concatenate(
        [np.empty((0, dim + 1), np.float32), *(answer()[:n] for n, answer in answers)]
    )
    return Recognised(numbers[:, :-1], numbers[:, -1])
