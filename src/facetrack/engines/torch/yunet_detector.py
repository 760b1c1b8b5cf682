"""YuNet in torch: on a GPU in float16, or on the CPU in float32, to be compared."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from facetrack.detection.yunet import Yunet
from facetrack.engines.torch.ahead import Ahead
from facetrack.engines.torch.networks import Layers
from facetrack.engines.torch.yunet import yunet
from facetrack.media.picture import Picture
from facetrack.models.weights import tensors
from facetrack.pipeline.batching import SMALLEST
from facetrack.settings import DetectionSettings
from facetrack.types import Faces, Float32, Image

TOGETHER = 8
"""Frames that go through the network together."""


class TorchYunetDetector:
    """Implements ``Detector``."""

    name = "yunet"
    smallest_batch = SMALLEST
    frames_ahead = 1

    def __init__(
        self,
        settings: DetectionSettings,
        device: torch.device,
        dtype: torch.dtype,
        ahead: Ahead | None,
    ) -> None:
        """``ahead``: embeds the faces of frames that lie on the GPU, as soon as they are found."""
        self._yunet = Yunet(_YunetNetwork(device, dtype), settings)

    def detect(self, pictures: Sequence[Picture]) -> Iterator[Faces]:
        for i in range(0, len(pictures), TOGETHER):
            yield from self._yunet.detect(pictures[i : i + TOGETHER])


class _YunetNetwork:
    """Implements ``YunetNetwork``."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._layers = Layers(tensors("yunet"), device, dtype)

    @torch.inference_mode()
    def run(self, images: Sequence[Image]) -> list[list[Float32]]:
        rgb = torch.from_numpy(np.stack(images)).to(self._device)
        bgr = rgb.flip(3).permute(0, 3, 1, 2).to(self._dtype)
        found = yunet(self._layers, bgr.contiguous(memory_format=torch.channels_last))
        arrays = [t.cpu().numpy() for t in found]
        return [[array[i : i + 1] for array in arrays] for i in range(len(images))]
