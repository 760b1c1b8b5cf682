"""MTCNN's three networks alone, on key frames: with OpenVINO, and with torch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from facetrack.core.settings import Settings
from facetrack.core.types import Float32
from facetrack.detection.mtcnn.cascade import Cascade, MtcnnNetworks, Parts
from facetrack.media.frame_image import FrameImage
from facetrack_bench.measuring import best_of, rate

if TYPE_CHECKING:
    from facetrack.detection.mtcnn.cuda.detector import TorchMtcnnDetector

TORCH_BATCH = 128
"""Images in one batch of the torch networks."""


class RecordingNetworks:
    """MtcnnNetworks of a cascade that pass every call on to others and keep its arguments."""

    def __init__(self, networks: MtcnnNetworks) -> None:
        self._networks = networks
        self.pnet_calls: list[tuple[Sequence[FrameImage], tuple[tuple[int, int], ...]]] = []
        self.rnet_calls: list[tuple[Sequence[FrameImage], Parts]] = []
        self.onet_calls: list[tuple[Sequence[FrameImage], Parts]] = []
        self.onet_and_rnet = networks.onet_and_rnet

    def pnet(
        self, images: Sequence[FrameImage], sizes: tuple[tuple[int, int], ...]
    ) -> list[list[Float32]]:
        self.pnet_calls.append((images, sizes))
        return self._networks.pnet(images, sizes)

    def rnet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        self.rnet_calls.append((images, parts))
        return self._networks.rnet(images, parts)

    def onet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32, Float32]:
        self.onet_calls.append((images, parts))
        return self._networks.onet(images, parts)


def openvino_networks_alone(
    settings: Settings, keys: Sequence[FrameImage], repeat: int
) -> dict[str, dict[str, Any]]:
    """Times each network with the inputs that the cascade gives it on these key frames.

    Returns:
        ``pnet``, ``rnet`` and ``onet``, each as ``measuring.rate`` gives it; best of ``repeat``.
    """
    from facetrack.detection.mtcnn.openvino import FRAMES_AT_ONCE, QUICK, QuickNetworks
    from facetrack.pipeline.openvino_engine import quick_precision

    networks = QuickNetworks(quick_precision())
    recorded = RecordingNetworks(networks)
    cascade = Cascade(recorded, settings.detection, QUICK)
    for i in range(0, len(keys), FRAMES_AT_ONCE):
        cascade.detect(keys[i : i + FRAMES_AT_ONCE])
    jobs: dict[str, tuple[str, int, Callable[[], object]]] = {
        "pnet": (
            "images",
            sum(len(images) for images, _ in recorded.pnet_calls),
            lambda: [networks.pnet(*given) for given in recorded.pnet_calls],
        ),
        "rnet": (
            "rows",
            sum(len(parts.corners) for _, parts in recorded.rnet_calls),
            lambda: [networks.rnet(*given) for given in recorded.rnet_calls],
        ),
        "onet": (
            "rows",
            sum(len(parts.corners) for _, parts in recorded.onet_calls),
            lambda: [networks.onet(*given) for given in recorded.onet_calls],
        ),
    }
    return {
        name: rate(unit, count, best_of(repeat, work) if count else 0.0)
        for name, (unit, count, work) in jobs.items()
    }


def torch_networks_alone(
    detector: "TorchMtcnnDetector", images: Sequence[FrameImage], repeat: int
) -> dict[str, dict[str, Any]]:
    """Times each step of the cascade on one batch, with its crops and its suppression.

    Returns:
        ``pnet``, ``rnet`` and ``onet``, each as ``measuring.rate`` gives it; best of ``repeat``.
    """
    import torch

    images = images[:TORCH_BATCH]
    for _ in detector.detect(images):  # allocates the memory that these images need
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

        return rate("images", len(images), best_of(repeat, work))

    return {
        "pnet": timed(lambda: network.pnet_step(pixels, capacity)),
        "rnet": timed(lambda: network.rnet_step(pixels, proposed, capacity)),
        "onet": timed(lambda: network.onet_step(pixels, refined, capacity)),
    }
