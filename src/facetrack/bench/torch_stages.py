"""The three steps of the torch engine's cascade alone, on frames from the decoder."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from facetrack.bench.timing import best_of, rate
from facetrack.detection.mtcnn.cuda.detector import TorchMtcnnDetector
from facetrack.media.frame_image import FrameImage

TOGETHER = 128


def networks_alone(
    detector: TorchMtcnnDetector, images: Sequence[FrameImage], repeat: int
) -> dict[str, dict[str, Any]]:
    """Each step over all frames at once, with the crops and the suppression that belong to it."""
    images = images[:TOGETHER]
    for _ in detector.detect(images):  # makes capacity for what is in them
        pass
    network, pixels, capacity = detector.parts(images)
    with torch.inference_mode():
        proposed, _ = network.pnet_step(pixels, capacity)
        refined, *_ = network.rnet_step(pixels, proposed, capacity)

    def timed(step: Callable[[], object]) -> dict[str, Any]:
        def work() -> None:
            with torch.inference_mode():
                step()
            if pixels.table.is_cuda:
                torch.cuda.synchronize()

        return rate("pictures", len(images), best_of(repeat, work))

    return {
        "pnet": timed(lambda: network.pnet_step(pixels, capacity)),
        "rnet": timed(lambda: network.rnet_step(pixels, proposed, capacity)),
        "onet": timed(lambda: network.onet_step(pixels, refined, capacity)),
    }
