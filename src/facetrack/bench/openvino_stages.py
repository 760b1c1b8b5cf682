"""P-, R- and O-Net of the OpenVINO engine, each on what the cascade asks of it."""

from collections.abc import Callable, Sequence
from typing import Any

from facetrack.bench.timing import best_of, rate
from facetrack.core.settings import Settings
from facetrack.core.types import Float32
from facetrack.detection.mtcnn.cascade import Cascade, MtcnnNetworks, Parts
from facetrack.detection.mtcnn.openvino import FRAMES_AT_ONCE, QUICK, QuickNetworks
from facetrack.media.frame_image import FrameImage
from facetrack.pipeline.openvino_engine import quick_precision


class Recorded:
    """Implements the cascade's ``MtcnnNetworks`` by others; keeps what they were asked."""

    def __init__(self, networks: MtcnnNetworks) -> None:
        self._networks = networks
        self.proposed: list[tuple[Sequence[FrameImage], tuple[tuple[int, int], ...]]] = []
        self.refined: list[tuple[Sequence[FrameImage], Parts]] = []
        self.decided: list[tuple[Sequence[FrameImage], Parts]] = []
        self.onet_and_rnet = networks.onet_and_rnet

    def pnet(
        self, images: Sequence[FrameImage], sizes: tuple[tuple[int, int], ...]
    ) -> list[list[Float32]]:
        self.proposed.append((images, sizes))
        return self._networks.pnet(images, sizes)

    def rnet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        self.refined.append((images, parts))
        return self._networks.rnet(images, parts)

    def onet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32, Float32]:
        self.decided.append((images, parts))
        return self._networks.onet(images, parts)


def networks_alone(
    settings: Settings, keys: Sequence[FrameImage], repeat: int
) -> dict[str, dict[str, Any]]:
    """Each network by itself, given what the cascade gives it on these key frames; best of
    ``repeat``."""
    networks = QuickNetworks(quick_precision())
    recorded = Recorded(networks)
    cascade = Cascade(recorded, settings.detection, QUICK)
    for i in range(0, len(keys), FRAMES_AT_ONCE):
        cascade.detect(keys[i : i + FRAMES_AT_ONCE])
    jobs: dict[str, tuple[str, int, Callable[[], object]]] = {
        "pnet": (
            "pictures",
            sum(len(images) for images, _ in recorded.proposed),
            lambda: [networks.pnet(*asked) for asked in recorded.proposed],
        ),
        "rnet": (
            "rows",
            sum(len(parts.corners) for _, parts in recorded.refined),
            lambda: [networks.rnet(*asked) for asked in recorded.refined],
        ),
        "onet": (
            "rows",
            sum(len(parts.corners) for _, parts in recorded.decided),
            lambda: [networks.onet(*asked) for asked in recorded.decided],
        ),
    }
    return {
        name: rate(unit, count, best_of(repeat, work) if count else 0.0)
        for name, (unit, count, work) in jobs.items()
    }
