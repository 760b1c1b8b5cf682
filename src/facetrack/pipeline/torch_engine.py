"""The torch engine: on a GPU in float16, or on the CPU in float32 as a reference
(``torch-cpu``)."""

from collections.abc import Callable

import torch
from torch import Tensor

from facetrack.core.errors import UsageError
from facetrack.core.extensions import DETECTORS, open_extension
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.core.shared import shared
from facetrack.cuda.layers import Layers
from facetrack.cuda.memory import memory_for
from facetrack.detection.aligner import OnetAligner
from facetrack.detection.detector import Detector
from facetrack.detection.mtcnn.cuda.detector import TorchMtcnnDetector
from facetrack.detection.yunet.cuda.detector import TorchYunetDetector
from facetrack.models.convert import Tensors
from facetrack.models.weights import facenet_tensors, tensors
from facetrack.pipeline.engine import Engine
from facetrack.recognition.cuda.eager_embedder import EagerEmbedder
from facetrack.recognition.cuda.embedder import TorchEmbedder
from facetrack.recognition.cuda.inception_resnet_v1 import inception_resnet_v1_on
from facetrack.recognition.cuda.sface import sface_on
from facetrack.recognition.embedder import Embedder
from facetrack.recognition.recognizers import Recognizer, recognizer_of

Network = Callable[[Tensor], Tensor]
"""Crops ``(n, size, size, 3)`` uint8 RGB to embeddings ``(n, dim)``."""


def open_torch_engine(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    """The detector and the embedder of the settings, in torch on the GPU or on the CPU.

    All engines of a process share the networks, and on a GPU their CUDA graphs.

    Raises:
        UsageError: when there is no such device.
        WeightsError: when weights are missing or differ from what is expected.
        FacetrackError: when the GPU has no memory left.
    """
    device = _device(detection.device)
    cuda = device.type == "cuda"
    dtype = torch.float16 if cuda else torch.float32
    where = torch.cuda.get_device_name(device) if cuda else "cpu"
    gpu = f"GPU-{torch.cuda.get_device_properties(device).uuid}" if cuda else None
    with memory_for("the networks"):
        embedder = _embedder(identity, device, dtype)
        eager_embedder = None
        if cuda and isinstance(embedder, TorchEmbedder):
            eager_embedder = shared(
                ("eager embedder", device, identity.recognizer, identity.weights),
                lambda: EagerEmbedder(embedder, device),
            )
        detector: Detector
        aligner = None
        if detection.resolved_detector == "yunet":
            mtcnn = TorchMtcnnDetector(detection, device, dtype, None)
            onet = mtcnn.networks if embedder.crop.aligned else None
            detector = TorchYunetDetector(detection, device, eager_embedder, onet)
            aligner = OnetAligner(mtcnn)
        elif detection.resolved_detector == "mtcnn":
            detector = TorchMtcnnDetector(detection, device, dtype, eager_embedder)
        else:
            detector = open_extension(DETECTORS, detection.resolved_detector, detection)
    return Engine(f"torch {where} {'f16' if cuda else 'f32'}", detector, embedder, aligner, gpu)


def _embedder(identity: IdentitySettings, device: torch.device, dtype: torch.dtype) -> Embedder:
    recognizer = recognizer_of(identity)
    if recognizer.name not in NETWORKS:  # an ONNX file, or an embedder that a package adds
        from facetrack.pipeline.openvino_engine import quick_precision
        from facetrack.recognition.openvino_embedders import open_embedder

        return open_embedder(identity, quick_precision())

    def make() -> TorchEmbedder:
        layers = Layers(_tensors(recognizer), device, dtype)
        return TorchEmbedder(recognizer, NETWORKS[recognizer.name](layers, device), device)

    return shared(("torch", device, recognizer.name, recognizer.file), make)


def _tensors(recognizer: Recognizer) -> Tensors:
    if recognizer.file is not None:
        return facenet_tensors(recognizer.file)
    return tensors("sface" if recognizer.name == "sface" else "casia")


NETWORKS: dict[str, Callable[[Layers, torch.device], Network]] = {
    "sface": sface_on,
    "facenet": inception_resnet_v1_on,
    "vggface2": inception_resnet_v1_on,
}
"""By the recogniser's name, what makes its network from its arrays."""


def _device(name: str) -> torch.device:
    if name == "torch-cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("device is 'cuda' but torch sees no CUDA GPU; use --device cpu")
    return torch.device("cuda", torch.cuda.current_device())
