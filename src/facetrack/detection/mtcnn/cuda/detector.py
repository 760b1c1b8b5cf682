"""MTCNN in torch: on a GPU in float16, or on the CPU in float32, to be compared."""

from collections.abc import Sequence

import numpy as np
import torch

from facetrack.core.boxes import Indices
from facetrack.core.settings import DetectionSettings
from facetrack.core.shared import shared
from facetrack.core.types import Faces, Float32
from facetrack.cuda.memory import memory_for
from facetrack.detection.cuda.batches import GpuFrames, addresses, is_on_gpu, matrix_of
from facetrack.detection.cuda.detector import EagerEmbedder, TorchDetector
from facetrack.detection.cuda.pixels import Pixels
from facetrack.detection.mtcnn.cascade import EXACT
from facetrack.detection.mtcnn.cuda.cascade import MtcnnRoom, TorchMtcnn
from facetrack.media.frame_image import FrameImage


class TorchMtcnnDetector(TorchDetector[MtcnnRoom]):
    """Implements ``Detector``, and looks at expected faces too.

    Raises:
        FacetrackError: at any time, when a GPU's memory is all taken.
    """

    name = "mtcnn"

    def __init__(
        self,
        settings: DetectionSettings,
        device: torch.device,
        dtype: torch.dtype,
        ahead: EagerEmbedder | None,
    ) -> None:
        """``ahead``: embeds the faces of frames that lie on the GPU, as soon as they are found."""
        self.networks: TorchMtcnn = shared(
            ("torch mtcnn", device, settings),
            lambda: TorchMtcnn(device, dtype, settings, EXACT),
        )
        super().__init__(self.networks, device, ahead)

    @torch.inference_mode()
    def refine(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """See ``LooksAgain``."""
        used, position = np.unique(of_image, return_inverse=True)
        with memory_for("looks between key frames"):
            pixels = self._pixels([images[i] for i in used])
            where = torch.from_numpy(position).to(self._device)
            squares = torch.from_numpy(anchors).to(self._device)
            found = self.networks.look(pixels, where, squares)
            boxes, scores, landmarks = (t.cpu().numpy() for t in found)
        return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")

    @torch.inference_mode()
    def parts(self, images: Sequence[FrameImage]) -> tuple[TorchMtcnn, Pixels, MtcnnRoom]:
        """The networks, and what they are given for these frames: for measuring them alone."""
        return self.networks, self._pixels(images), self._batches.room

    def _pixels(self, images: Sequence[FrameImage]) -> Pixels:
        if not is_on_gpu(images):
            rgb = np.stack([image.rgb() for image in images])
            return Pixels.of_rgb(torch.from_numpy(rgb).to(self._device))
        at = torch.tensor(addresses(images), device=self._device)
        return Pixels.of_frames(GpuFrames(at, images[0].shape, matrix_of(images)))
