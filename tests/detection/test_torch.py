"""The torch engine on the CPU: the same faces, embeddings and timeline as the OpenVINO engine."""

import subprocess
import sys

import av
import numpy as np
import pytest
import torch

import facetrack
from facetrack.core.errors import FacetrackError
from facetrack.core.settings import DecodeSettings, DetectionSettings, IdentitySettings, Settings
from facetrack.detection.cuda.batches import HostBatches
from facetrack.detection.mtcnn.cuda.cascade import MtcnnCapacity
from facetrack.detection.mtcnn.cuda.detector import TorchMtcnnDetector
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn
from facetrack.media.frame_image import RgbImage
from facetrack.pipeline.engine import open_engine

MTCNN = DetectionSettings(detector="mtcnn", dense=True)
EXACT = {"detector": "mtcnn", "dense": True, "min_face": 20}


@pytest.fixture(scope="module")
def torch_engine():
    return on_torch()


def on_torch():
    settings = DetectionSettings(device="torch-cpu", **EXACT)
    return TorchMtcnnDetector(settings, torch.device("cpu"), torch.float32, None)


@pytest.fixture(scope="module")
def openvino_engine():
    return OpenVinoMtcnn(DetectionSettings(**EXACT), "f32")


@pytest.fixture(scope="module")
def images(pyfeat_data):
    """A few frames of two people, and a photo of five."""
    chosen = []
    for clip in ("single_face.mp4", "WolfgangLanger_Pexels.mp4"):
        with av.open(str(pyfeat_data / clip)) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        chosen.append([RgbImage(f) for f in frames[:60:12]])
    with av.open(str(pyfeat_data / "multi_face.jpg")) as photo:
        chosen.append([RgbImage(next(photo.decode(video=0)).to_ndarray(format="rgb24"))])
    return chosen


def assert_same(found, expected):
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=0.01)
    np.testing.assert_allclose(found.anchors, expected.anchors, atol=0.01)


def test_the_same_faces_as_openvino(torch_engine, openvino_engine, images):
    total = 0
    for of_one_size in images:
        expected = list(openvino_engine.detect(of_one_size))
        for a, b in zip(torch_engine.detect(of_one_size), expected, strict=True):
            assert_same(a, b)
        total += sum(map(len, expected))
    assert total >= 5 + 5 + 5


def test_too_small_arrays_are_grown_and_no_face_is_lost(openvino_engine, images):
    engine = on_torch()
    engine._batches = HostBatches(engine.networks)
    engine._batches.capacity = MtcnnCapacity(
        per_level=2, per_image=4, rnet=4, kept=1, onet=1, faces=1
    )
    expected = list(openvino_engine.detect(images[2]))
    for a, b in zip(engine.detect(images[2]), expected, strict=True):
        assert_same(a, b)


class Scarce(HostBatches):
    """Runs out of memory with more than ``most`` frames."""

    def __init__(self, mtcnn, most):
        super().__init__(mtcnn)
        self.most = most

    def start(self, images, size, room):
        if size > self.most:
            raise torch.OutOfMemoryError("tried to allocate")
        return super().start(images, size, room)


def test_out_of_memory_halves_the_batch_and_loses_no_face(torch_engine, images):
    engine = on_torch()
    engine._batches = Scarce(engine.networks, most=2)
    expected = list(torch_engine.detect(images[0]))
    for a, b in zip(engine.detect(images[0]), expected, strict=True):
        assert_same(a, b)
    assert engine.batch_sizes == [2, 2, 1]


def test_no_memory_for_one_frame_is_an_error(images):
    engine = on_torch()
    engine._batches = Scarce(engine.networks, most=0)
    with pytest.raises(FacetrackError, match="no memory for even one frame"):
        list(engine.detect(images[0]))


def test_redetects_the_same_faces_as_openvino(torch_engine, openvino_engine, images):
    photo = images[2]
    (faces,) = openvino_engine.detect(photo)
    beside = faces.anchors + np.float32(0.3) * (faces.anchors[:, 2:3] - faces.anchors[:, :1])
    outside = np.array([[-90, -90, -50, -50]], np.float32)
    anchors = np.concatenate([faces.anchors, beside, outside]).astype(np.float32)
    of_image = np.zeros(len(anchors), np.intp)
    expected = openvino_engine.redetect(photo, of_image, anchors)
    assert_same(torch_engine.redetect(photo, of_image, anchors), expected)
    assert (expected.scores[: len(faces)] > 0.9).all()
    assert expected.scores[-1] == 0


@pytest.mark.parametrize(("recognizer", "side"), [("sface", 112), ("facenet", 160)])
def test_the_same_embeddings_as_openvino(recognizer, side):
    crops = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    on_torch, on_openvino = (
        open_engine(DetectionSettings(device=device, **EXACT), IdentitySettings(recognizer))
        for device in ("torch-cpu", "cpu")
    )
    expected = on_openvino.embedder.embed(crops)
    np.testing.assert_allclose(on_torch.embedder.embed(crops), expected, atol=1e-5)


def test_the_same_faces_by_yunet_as_openvino(images):
    on_torch, on_openvino = (
        open_engine(DetectionSettings(device=device, detector="yunet"), IdentitySettings())
        for device in ("torch-cpu", "cpu")
    )
    for of_one_size in images:
        found = list(on_torch.detector.detect(of_one_size))
        for a, b in zip(found, on_openvino.detector.detect(of_one_size), strict=True):
            assert len(a) == len(b) > 0
            np.testing.assert_allclose(a.boxes, b.boxes, atol=8)  # bfloat16 where the CPU has it


def test_the_same_timeline_as_openvino(pyfeat_data):
    """Two seconds of a clip in which the face disappears after the first one."""
    clip = pyfeat_data / "face_noface.mov"
    decode = DecodeSettings(start_s=1.4, duration_s=2.0)
    cpu, torch_cpu = (
        facetrack.analyze(
            clip, Settings(decode, DetectionSettings(device=d, detector="mtcnn", dense=True))
        )
        for d in ("cpu", "torch-cpu")
    )
    assert [(i.start_s > 1.3, i.end_s) for i in cpu.intervals] == [(True, 2.4)]
    assert torch_cpu.intervals == cpu.intervals
    assert torch_cpu.people == cpu.people
    for column in ("frame", "track", "person", "source"):
        assert torch_cpu.faces[column].equals(cpu.faces[column])
    for column in ("x1", "y1", "x2", "y2"):
        np.testing.assert_allclose(torch_cpu.faces[column], cpu.faces[column], atol=0.01)


def test_openvino_is_not_needed(pyfeat_data):
    program = (
        "import sys; sys.modules['openvino'] = None\n"
        "import facetrack\n"
        "from facetrack.core.settings import *\n"
        "second, device = DecodeSettings(duration_s=1.0), DetectionSettings(device='torch-cpu')\n"
        f"clip = {str(pyfeat_data / 'single_face.mp4')!r}\n"
        "print(len(facetrack.analyze(clip, Settings(second, device)).people))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


def test_a_missing_gpu_is_reported_in_one_line(pyfeat_data, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA GPU")
    video = pyfeat_data / "single_face.mp4"
    command = ["analyze", str(video), "-o", str(tmp_path), "--device", "cuda"]
    done = subprocess.run(
        [sys.executable, "-m", "facetrack", *command], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no CUDA GPU" in done.stderr and len(done.stderr.splitlines()) == 1
