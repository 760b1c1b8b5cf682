"""MTCNN in torch: on a GPU with R-Net and O-Net in float16, or on the CPU in float32 as a
reference."""

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
from facetrack.detection.mtcnn.cascade import EXACT
from facetrack.detection.mtcnn.cuda.cascade import MtcnnCapacity, TorchMtcnn
from facetrack.detection.mtcnn.cuda.pixels import Pixels
from facetrack.media.frame_image import FrameImage


class TorchMtcnnDetector(TorchDetector[MtcnnCapacity]):
    """Implements ``RedetectingDetector``.

    Raises:
        FacetrackError: from any method, when the GPU has no memory left.
    """

    name = "mtcnn"

    def __init__(
        self,
        settings: DetectionSettings,
        device: torch.device,
        dtype: torch.dtype,
        eager_embedder: EagerEmbedder | None,
    ) -> None:
        """
        Args:
            settings: the smallest face and the thresholds.
            device: a GPU, or the CPU.
            dtype: of R-Net and O-Net; P-Net is as exact as float32 in any case.
            eager_embedder: embeds the faces of frames in GPU memory as soon as they are found.
        """
        self.networks: TorchMtcnn = shared(
            ("torch mtcnn", device, settings),
            lambda: TorchMtcnn(device, dtype, settings, EXACT),
        )
        super().__init__(self.networks, device, eager_embedder)

    @torch.inference_mode()
    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """See ``Redetects.redetect``."""
        used, position = np.unique(of_image, return_inverse=True)
        with memory_for("redetection between key frames"):
            pixels = self._pixels([images[i] for i in used])
            of_used = torch.from_numpy(position).to(self._device)
            squares = torch.from_numpy(anchors).to(self._device)
            found = self.networks.redetect(pixels, of_used, squares)
            boxes, scores, landmarks = (t.cpu().numpy() for t in found)
        return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")

    @torch.inference_mode()
    def parts(self, images: Sequence[FrameImage]) -> tuple[TorchMtcnn, Pixels, MtcnnCapacity]:
        """The networks and their input for these frames, to measure each step alone."""
        return self.networks, self._pixels(images), self._batches.capacity

    def _pixels(self, images: Sequence[FrameImage]) -> Pixels:
        if not is_on_gpu(images):
            rgb = np.stack([image.rgb() for image in images])
            return Pixels.of_rgb(torch.from_numpy(rgb).to(self._device))
        at = torch.tensor(addresses(images), device=self._device)
        return Pixels.of_frames(GpuFrames(at, images[0].shape, matrix_of(images)))
