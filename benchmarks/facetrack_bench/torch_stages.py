"""The three steps of the torch engine's cascade alone, on frames from the decoder."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from facetrack_bench.timing import best_of, rate
from facetrack.detection.mtcnn.cuda.detector import TorchMtcnnDetector
from facetrack.media.frame_image import FrameImage

TOGETHER = 128


def networks_alone(
    detector: TorchMtcnnDetector, images: Sequence[FrameImage], repeat: int
) -> dict[str, dict[str, Any]]:
    """Each step over all frames at once, with the crops and the suppression that belong to it."""
    images = images[:TOGETHER]
    for _ in detector.detect(images):  # makes room for what is in them
        pass
    network, pixels, room = detector.parts(images)
    with torch.inference_mode():
        proposed, _ = network.propose(pixels, room)
        refined, *_ = network.refine(pixels, proposed, room)

    def timed(step: Callable[[], object]) -> dict[str, Any]:
        def work() -> None:
            with torch.inference_mode():
                step()
            if pixels.table.is_cuda:
                torch.cuda.synchronize()

        return rate("pictures", len(images), best_of(repeat, work))

    return {
        "pnet": timed(lambda: network.propose(pixels, room)),
        "rnet": timed(lambda: network.refine(pixels, proposed, room)),
        "onet": timed(lambda: network.decide(pixels, refined, room)),
    }
