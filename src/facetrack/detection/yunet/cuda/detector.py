"""YuNet in torch: on a GPU with float16 kernels, or on the CPU in float32 as a reference."""

import torch

from facetrack.core.settings import DetectionSettings
from facetrack.core.shared import shared
from facetrack.core.types import Float32
from facetrack.detection.cuda.detector import EagerEmbedder, TorchDetector
from facetrack.detection.mtcnn.cuda.cascade import TorchMtcnn
from facetrack.detection.yunet.cuda.network import TorchYunet, YunetCapacity
from facetrack.detection.yunet.decoding import probability


class TorchYunetDetector(TorchDetector[YunetCapacity]):
    """Implements ``Detector``.

    Raises:
        FacetrackError: from any method, when the GPU has no memory left.
    """

    name = "yunet"

    def __init__(
        self,
        settings: DetectionSettings,
        device: torch.device,
        eager_embedder: EagerEmbedder | None,
        onet: TorchMtcnn | None,
    ) -> None:
        """
        Args:
            settings: the smallest face.
            device: a GPU, or the CPU.
            eager_embedder: embeds the faces of frames in GPU memory as soon as they are found.
            onet: places the landmarks of these faces, see ``detection.aligner``; None: YuNet's
                landmarks stay.
        """
        networks = shared(
            ("torch yunet", device, settings, onet is None),
            lambda: TorchYunet(device, settings, onet),
        )
        super().__init__(networks, device, eager_embedder)

    def _probability(self, scores: Float32) -> Float32:
        return probability(scores)
