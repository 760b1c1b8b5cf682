"""YuNet in torch: on a GPU in float16, or on the CPU in float32, to be compared."""

import torch

from facetrack.core.settings import DetectionSettings
from facetrack.core.shared import shared
from facetrack.core.types import Float32
from facetrack.detection.cuda.detector import EagerEmbedder, TorchDetector
from facetrack.detection.mtcnn.cuda.cascade import TorchMtcnn
from facetrack.detection.yunet.cuda.network import TorchYunet, YunetRoom
from facetrack.detection.yunet.decoding import probability


class TorchYunetDetector(TorchDetector[YunetRoom]):
    """Implements ``Detector``.

    Raises:
        FacetrackError: at any time, when a GPU's memory is all taken.
    """

    name = "yunet"

    def __init__(
        self,
        settings: DetectionSettings,
        device: torch.device,
        ahead: EagerEmbedder | None,
        looks: TorchMtcnn | None,
    ) -> None:
        """
        Args:
            ahead: embeds the faces of frames that lie on the GPU, as soon as they are found.
            looks: places the landmarks of these faces, see ``detection.aligner``; None: YuNet's.
        """
        networks = shared(
            ("torch yunet", device, settings, looks is None),
            lambda: TorchYunet(device, settings, looks),
        )
        super().__init__(networks, device, ahead)

    def _probability(self, scores: Float32) -> Float32:
        return probability(scores)
