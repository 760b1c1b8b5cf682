"""SFace and YuNet compute what ONNX Runtime computes from the published files."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from facetrack.core.errors import WeightsError
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.detection.yunet.openvino import yunet
from facetrack.media.frame_image import RgbImage
from facetrack.models.onnx_file import onnx_arrays, without_block_quantisation
from facetrack.models.weight_files import FILES, find
from facetrack.models.weights import tensors
from facetrack.pipeline.engine import open_engine
from facetrack.pipeline.openvino_engine import quick_precision
from facetrack.recognition.calibration import SFACE
from facetrack.recognition.crops import crop_of
from facetrack.recognition.openvino_embedders import open_embedder
from facetrack.recognition.recognizers import (
    ALIGNED_112,
    NetworkInput,
    OnnxRecognizer,
    onnx_recognizer,
    write_recognizer,
)
from facetrack.recognition.reference_embeddings import featureless_direction, measured_direction
from facetrack.runtime.openvino_requests import Requests


@pytest.fixture(scope="module")
def photo(pyfeat_data):
    return RgbImage(np.array(Image.open(pyfeat_data / "multi_face.jpg").convert("RGB")))


@pytest.fixture(scope="module")
def crops(photo):
    """Five real faces, aligned, and each of them darker and brighter."""
    engine = open_engine(DetectionSettings(detector="mtcnn"), IdentitySettings())
    (faces,) = engine.detector.detect([photo])
    assert len(faces) == 5
    found = np.stack([crop_of(photo, faces, i, ALIGNED_112) for i in range(len(faces))])
    return np.concatenate([found, found // 2, 255 - (255 - found) // 2])


def file_of(name):
    tensors(name)  # fetches it where it is missing
    return find(FILES[name])


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def by_onnx_runtime(crops):
    """SFace from the published file, which lists unused weights among its inputs."""
    network = session(str(file_of("sface")))
    unused = {i.name: np.zeros(i.shape, np.float32) for i in network.get_inputs()}
    found = []
    for crop in crops:
        image = crop.transpose(2, 0, 1)[None].astype(np.float32)
        found.append(network.run(None, unused | {"data": image})[0][0])
    found = np.stack(found)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("precision", ["f32", "quick"])
def test_sface_is_onnx_runtimes(crops, precision):
    precision = quick_precision() if precision == "quick" else precision
    found = open_embedder(IdentitySettings(), precision).embed(crops)
    assert found.shape == (15, 128) and found.dtype == np.float32
    cosines = (found * by_onnx_runtime(crops)).sum(axis=1)
    assert cosines.min() >= (0.999 if precision == "f32" else 0.995)


def test_yunet_is_onnx_runtimes(photo):
    """ONNX Runtime cannot read the file's block quantisation, so it reads our dequantised copy."""
    image = np.array(Image.fromarray(photo.rgb()).resize((640, 640)))
    network = session(without_block_quantisation(file_of("yunet").read_bytes()))
    bgr = image[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    wanted = {o.name: a[0] for o, a in zip(network.get_outputs(), network.run(None, {"input": bgr}),
                                          strict=True)}  # fmt: skip
    (found,) = Requests(yunet(tensors("yunet"), 640, 640), "f32").run([[image[None]]])
    for i, stride in enumerate((8, 16, 32)):
        scores, boxes, points = (a[0].reshape(a.shape[1], -1).T for a in found[3 * i : 3 * i + 3])
        for name, values in (
            ("cls", scores[:, :1]), ("obj", scores[:, 1:]), ("bbox", boxes), ("kps", points),
        ):  # fmt: skip
            np.testing.assert_allclose(values, wanted[f"{name}_{stride}"], atol=2e-4)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("zero", [True, False])
def test_block_quantised_weights_are_those_of_onnx_runtime(axis, zero):
    chance = np.random.default_rng(axis)
    values = chance.integers(-128, 128, (12, 20), dtype=np.int8)
    blocks = (3, 20) if axis == 0 else (12, 5)
    scale = chance.random(blocks).astype(np.float32) + 0.1
    weights = [values, scale, chance.integers(-9, 9, blocks, dtype=np.int8)][: 3 if zero else 2]
    names = ["q", "scale", "zero"][: len(weights)]
    node = helper.make_node("DequantizeLinear", names, ["w"], axis=axis, block_size=4)
    used = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph(
        [node, used],
        "blocks",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 20])],
        [numpy_helper.from_array(a, n) for a, n in zip(weights, names, strict=True)],
    )
    opset = [helper.make_opsetid("", 21)]
    data = helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    x = {"x": chance.random((1, 12)).astype(np.float32)}
    (wanted,) = session(data).run(None, x)
    plain = without_block_quantisation(data)
    assert "DequantizeLinear" not in {n.op_type for n in onnx.load_from_string(plain).graph.node}
    np.testing.assert_allclose(session(plain).run(None, x)[0], wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(x["x"] @ onnx_arrays(data)["w"], wanted, rtol=1e-4, atol=1e-4)


def recognizer_in(folder, model, **changes):
    file = folder / "mine.onnx"
    file.write_bytes(model)
    values = {"name": "", "crop": ALIGNED_112, "dim": 128, "calibration": SFACE, "file": file}
    recognizer = OnnxRecognizer(**values | {"input": NetworkInput(0.0, 1.0, False)} | changes)
    write_recognizer(recognizer)
    return file


def variant(kind):
    """SFace as another exporter may have written it."""
    model = onnx.load_from_string(without_block_quantisation(file_of("sface").read_bytes()))
    graph = model.graph
    if kind == "rows last":
        entrance = helper.make_node("Transpose", ["image"], ["data"], perm=[0, 3, 1, 2])
        graph.node.insert(0, entrance)
        graph.input[0].name = "image"
        for side, size in zip(graph.input[0].type.tensor_type.shape.dim, (1, 112, 112, 3),
                              strict=True):  # fmt: skip
            side.dim_value = size
    if kind == "any batch":
        graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
        graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    return model.SerializeToString()


@pytest.mark.parametrize("kind", ["as published", "one image", "any batch", "rows last"])
def test_a_recogniser_of_the_users_own(tmp_path, crops, kind):
    model = file_of("sface").read_bytes() if kind == "as published" else variant(kind)
    file = recognizer_in(tmp_path, model)
    embedder = open_embedder(IdentitySettings(recognizer=str(file)), "f32")
    assert embedder.name.startswith("mine-") and len(embedder.name) == len("mine-") + 8
    cosines = (embedder.embed(crops) * by_onnx_runtime(crops)).sum(axis=1)
    assert cosines.min() >= 0.999
    assert embedder.embed(crops[:0]).shape == (0, 128)


def test_it_is_fed_as_its_calibration_says(tmp_path, crops):
    """A network that wants blue first and values of -1 to 1."""
    model = onnx.load_from_string(variant("one image"))
    half = numpy_helper.from_array(np.float32(127.5), "half")
    order = numpy_helper.from_array(np.array([2, 1, 0]), "order")
    model.graph.initializer.extend([half, order])
    for node in (
        helper.make_node("Add", ["larger", "half"], ["data"]),
        helper.make_node("Mul", ["turned", "half"], ["larger"]),
        helper.make_node("Gather", ["image", "order"], ["turned"], axis=1),
    ):
        model.graph.node.insert(0, node)
    model.graph.input[0].name = "image"
    wants = NetworkInput(127.5, 1 / 127.5, True)
    file = recognizer_in(tmp_path, model.SerializeToString(), input=wants)
    found = open_embedder(IdentitySettings(recognizer=str(file)), "f32").embed(crops)
    assert (found * by_onnx_runtime(crops)).sum(axis=1).min() >= 0.999


def test_what_is_wrong_with_a_recogniser_is_said(tmp_path):
    file = recognizer_in(tmp_path, file_of("yunet").read_bytes())
    beside = file.with_suffix(".json")
    cases = {
        "no such file": (tmp_path / "none.onnx", None),
        "facetrack calibrate": (file, lambda: beside.rename(tmp_path / "away.json")),
        "not a readable calibration": (file, lambda: beside.write_text("{")),
    }
    for words, (path, change) in cases.items():
        if change:
            change()
        with pytest.raises(WeightsError, match=words):
            onnx_recognizer(path)
    (tmp_path / "away.json").rename(beside)
    stored = json.loads(beside.read_text())
    beside.write_text(json.dumps(stored | {"sha256": "0" * 64}))
    with pytest.raises(WeightsError, match=r"made for another file than mine\.onnx"):
        onnx_recognizer(file)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("dim", "128"), ("dim", 512), ("dim", 0), ("crop", {"size": 160, "aligned": True}),
        ("crop", None), ("input", {"mean": 0, "scale": 0, "bgr": False}), ("input", {"mean": 0}),
        ("calibration", {"slope": "x"}), ("calibration", None),
        ("calibration", SFACE.to_dict() | {"slope": float("nan")}),
        ("calibration", SFACE.to_dict() | {"featureless": None}),
    ],
)  # fmt: skip
def test_a_calibration_that_was_edited_wrongly_is_one_line(tmp_path, part, value):
    file = recognizer_in(tmp_path, variant("one image"))
    stored = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps(stored | {part: value}))
    with pytest.raises(WeightsError) as error:
        open_embedder(IdentitySettings(recognizer=str(file)), "f32")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("model", [b"", b"no model at all", b"\x08\x07", "yunet"])
def test_a_file_that_is_no_network_is_one_line(tmp_path, model):
    model = file_of("yunet").read_bytes() if model == "yunet" else model
    file = recognizer_in(tmp_path, model)
    with pytest.raises(WeightsError, match="not a readable face embedder") as error:
        open_embedder(IdentitySettings(recognizer=str(file)), "f32")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("recognizer", ["sface", "facenet"])
def test_the_stored_direction_without_features_is_the_networks_own(recognizer):
    embedder = open_embedder(IdentitySettings(recognizer=recognizer), quick_precision())
    stored, measured = featureless_direction(embedder), measured_direction(embedder)
    assert stored.shape == (embedder.dim,)
    assert float(stored @ measured) >= 0.99
