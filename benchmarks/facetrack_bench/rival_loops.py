"""What users would write without facetrack: detect and embed the faces of each frame.

Each loop follows its library's own examples, with their parameters. The libraries are optional;
``LOOPS`` says how each is installed.
"""

import sys
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image as Pillow

from facetrack.core.types import Float32, Image
from facetrack.models.install import install_weights
from facetrack.models.onnx_file import without_block_quantisation
from facetrack.models.weight_files import FILES, verified_bytes
from facetrack.models.weights import tensors
from facetrack_bench.reference import plain_mtcnn


class Faces(NamedTuple):
    """The faces of one frame."""

    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in pixels."""
    embeddings: Float32
    """``(n, size)``."""


class Loop(Protocol):
    """A library with its networks loaded."""

    @property
    def threads(self) -> int:
        """How many the library uses by default."""
        ...

    def faces(self, image: Image) -> Faces:
        """Detects and embeds.

        Args:
            image: ``(height, width, 3)`` uint8 RGB.
        """
        ...


class FacenetPytorch:
    """``MTCNN(keep_all=True)`` and ``InceptionResnetV1``, as in its ``infer.ipynb``.

    The weights are those of ``casia-webface``, from our own file, where the batch norms are folded.
    """

    def __init__(self) -> None:
        self._torch = import_module("torch")
        self._mtcnn = plain_mtcnn("cpu")
        module = import_module("facenet_pytorch.models.inception_resnet_v1")
        self._network = module.InceptionResnetV1().eval()
        self._network.load_state_dict(self._state(), strict=False)  # without the classifier

    def _state(self) -> dict[str, Any]:
        given, state = tensors("casia"), {}
        for name, own in self._network.state_dict().items():
            layer, _, kind = name.rpartition(".bn.")
            if not layer:
                array = given.get(name)
                if array is None and name.startswith("logits"):
                    continue
                state[name] = own if array is None else self._torch.from_numpy(array)
            elif kind == "bias":
                state[name] = self._torch.from_numpy(given[f"{layer}.conv.bias"])
            elif kind == "running_var":  # the norm then divides by 1
                norm = self._network.get_submodule(f"{layer}.bn")
                state[name] = self._torch.full_like(own, 1 - norm.eps)
        return state

    @property
    def threads(self) -> int:
        """Those of torch."""
        return int(self._torch.get_num_threads())

    def faces(self, image: Image) -> Faces:
        """See ``Loop``."""
        picture = Pillow.fromarray(image)
        with self._torch.no_grad():
            boxes, _ = self._mtcnn.detect(picture)
            if boxes is None:
                return _nobody()
            crops = self._mtcnn.extract(picture, boxes, None)
            return Faces(boxes.astype(np.float32), self._network(crops).numpy())


class OpenCv:
    """``FaceDetectorYN`` on the full frame and ``FaceRecognizerSF``, as in its ``face_detect.py``.

    The sample takes networks with float weights; OpenCV 5.0 cannot run the quantised SFace.
    """

    SCORE, NMS, CANDIDATES = 0.9, 0.3, 5000
    """The sample's."""

    def __init__(self) -> None:
        self._cv2 = import_module("cv2")
        install_weights(["yunet", "sface"])
        with tempfile.TemporaryDirectory(prefix="facetrack-bench-") as folder:
            yunet, sface = (_plain_network(name, Path(folder)) for name in ("yunet", "sface"))
            self._detector = self._cv2.FaceDetectorYN.create(
                str(yunet), "", (320, 320), self.SCORE, self.NMS, self.CANDIDATES
            )
            self._recognizer = self._cv2.FaceRecognizerSF.create(str(sface), "")

    @property
    def threads(self) -> int:
        """Those of OpenCV."""
        return int(self._cv2.getNumThreads())

    def faces(self, image: Image) -> Faces:
        """See ``Loop``; the embeddings have length 1."""
        bgr = self._cv2.cvtColor(image, self._cv2.COLOR_RGB2BGR)
        self._detector.setInputSize((image.shape[1], image.shape[0]))
        _, found = self._detector.detect(bgr)
        if found is None:
            return _nobody()
        features = np.concatenate(
            [self._recognizer.feature(self._recognizer.alignCrop(bgr, face)) for face in found]
        )
        boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1)
        return Faces(boxes, features / np.linalg.norm(features, axis=1, keepdims=True))


class FaceRecognition:
    """``face_locations`` (HOG) and ``face_encodings`` of dlib, as in ``facerec_from_webcam.py``."""

    def __init__(self) -> None:
        if find_spec("pkg_resources") is None:
            _replace_pkg_resources()
        self._library = import_module("face_recognition")

    @property
    def threads(self) -> int:
        """dlib's detector and network use one."""
        return 1

    def faces(self, image: Image) -> Faces:
        """See ``Loop``."""
        places = self._library.face_locations(image)
        if not places:
            return _nobody()
        encodings = np.array(self._library.face_encodings(image, places), np.float32)
        top, right, bottom, left = np.array(places, np.float32).T
        return Faces(np.stack([left, top, right, bottom], axis=1), encodings)


@dataclass(frozen=True)
class Program:
    """A loop, and what it needs."""

    label: str
    opened: Callable[[], Loop]
    same_person: float
    """Largest Euclidean distance of embeddings of one person, as the library documents it."""
    modules: tuple[str, ...]
    """What it imports."""
    install: str
    """Command that installs them."""

    @property
    def missing(self) -> str | None:
        """What to do where a library is not installed; None where all are."""
        absent = [name for name in self.modules if find_spec(name) is None]
        return f"{absent[0]} is not installed: {self.install}" if absent else None

    def versions(self) -> dict[str, str | None]:
        """Version by name of each module, as it says itself; None where it does not."""
        return {name: getattr(import_module(name), "__version__", None) for name in self.modules}


LOOPS = {
    "facenet-pytorch": Program(
        "facenet-pytorch",
        FacenetPytorch,
        1.0,  # it documents none; a cosine of 0.5
        ("torch", "facenet_pytorch"),
        "pip install torch==2.13.0 && pip install --no-deps facenet-pytorch==2.6.0",
    ),
    "opencv": Program(
        "OpenCV YuNet + SFace",
        OpenCv,
        (2 * (1 - 0.363)) ** 0.5,  # a cosine of 0.363
        ("cv2",),
        "pip install 'facetrack[rivals]'",
    ),
    "face_recognition": Program(
        "face_recognition (dlib)",
        FaceRecognition,
        0.6,
        ("dlib", "face_recognition_models", "face_recognition"),
        "pip install dlib-bin face_recognition_models && pip install --no-deps face_recognition",
    ),
}


def _nobody() -> Faces:
    return Faces(np.zeros((0, 4), np.float32), np.zeros((0, 1), np.float32))


def _plain_network(name: str, folder: Path) -> Path:
    file = folder / f"{name}.onnx"
    file.write_bytes(without_block_quantisation(verified_bytes(FILES[name])))
    return file


def _replace_pkg_resources() -> None:
    """face_recognition_models asks it for its files; setuptools no longer has it from 82 on."""

    def resource_filename(package: str, name: str) -> str:
        return str(Path(str(sys.modules[package].__file__)).parent / name)

    module = types.ModuleType("pkg_resources")
    module.resource_filename = resource_filename  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = module
