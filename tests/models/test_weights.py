"""Weights are the expected ones, converted once, and the same numbers as their own formats say."""

import json
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import openvino as ov
import pytest
from safetensors.numpy import save_file

from facetrack.cli.facts import show_installed
from facetrack.core.errors import WeightsError
from facetrack.core.settings import IdentitySettings
from facetrack.models import weights
from facetrack.models.weight_files import FILES, find, verified_bytes, weights_folder
from facetrack.recognition.openvino_embedders import open_embedder


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache with the installed weights and no converted copies."""
    installed = weights_folder()
    installed.mkdir(parents=True, exist_ok=True)
    (tmp_path / "weights").symlink_to(installed)
    monkeypatch.setenv("FACETRACK_CACHE", str(tmp_path))
    return tmp_path


def read_in_process(folder, sender):
    import os

    os.environ["FACETRACK_CACHE"] = folder
    sender.send(float(weights.tensors("onet")["dense5.weight"].sum()))


def test_two_processes_may_convert_at_once(own_cache):
    context = get_context("spawn")
    receiver, sender = context.Pipe(False)
    workers = [
        context.Process(target=read_in_process, args=(str(own_cache), sender)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    sums = [receiver.recv() for _ in workers]
    for worker in workers:
        worker.join()
    assert sums[0] == sums[1]
    assert [p.name[:5] for p in own_cache.iterdir() if p.is_file()] == ["onet-"]


def zeroed(data):
    """The header, and only zeros after it."""
    size = 8 + int.from_bytes(data[:8], "little")
    return data[:size] + bytes(len(data) - size)


def one_bit(data):
    return data[:-5] + bytes([data[-5] ^ 64]) + data[-4:]


def renamed(data):
    """The arrays of two layers of one shape, exchanged in the header."""
    return (
        data.replace(b'"prelu1.weight"', b'"?"')
        .replace(b'"conv1.bias"', b'"prelu1.weight"')
        .replace(b'"?"', b'"conv1.bias"')
    )


def without_digest(data):
    """As version 0.1 wrote it."""
    size = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:size])
    del header["__metadata__"]
    new = json.dumps(header).encode()
    return len(new).to_bytes(8, "little") + new + data[size:]


@pytest.mark.parametrize("damage", [
    lambda data: data[:100], lambda data: b"", zeroed, one_bit, renamed, without_digest,
    lambda data: data.replace(b'"F32"', b'"I32"', 1), lambda data: b"\xff" * len(data),
])  # fmt: skip
def test_a_damaged_copy_is_made_again(own_cache, damage, capsys):
    first = weights.tensors("pnet")
    (copy,) = own_cache.glob("*.safetensors")
    whole = copy.read_bytes()
    assert damage(whole) != whole
    copy.write_bytes(damage(whole))
    assert weights.has_damaged_copy("pnet")
    again = weights.tensors("pnet")
    assert all(np.array_equal(first[n], again[n]) for n in first)
    assert not weights.has_damaged_copy("pnet") and copy.read_bytes() == whole
    copy.write_bytes(damage(whole))
    assert show_installed(["pnet"]) == 0
    assert "converted copy was damaged and was made again" in capsys.readouterr().out
    assert copy.read_bytes() == whole


def test_other_bytes_than_expected_are_refused(tmp_path, monkeypatch):
    """A file under the right name, one bit of it wrong."""
    file = FILES["pnet"]
    data = bytearray(verified_bytes(file))
    data[len(data) // 2] ^= 1
    monkeypatch.setenv("FACETRACK_CACHE", str(tmp_path))
    weights_folder().mkdir()
    stored = weights_folder() / file.stored_name
    stored.write_bytes(data)
    with pytest.raises(WeightsError, match="SHA-256 differs") as error:
        verified_bytes(file)
    assert str(stored) in str(error.value)


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FACETRACK_CACHE", str(tmp_path))
    other = replace(FILES["pnet"], package="no-such-package-facetrack==1.0")
    with pytest.raises(WeightsError, match="P-Net are missing; run: facetrack weights install"):
        verified_bytes(other)


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)


def embeddings(crops, **identity):
    settings = IdentitySettings(**{"recognizer": "facenet", **identity})
    return open_embedder(settings, "f32").embed(crops)


def test_embeddings_equal_those_of_the_frozen_graph(crops):
    """The same file read by OpenVINO's own TensorFlow reader, cut before its last batch norm."""
    file = find(FILES["casia"])
    model = ov.Core().read_model(str(file))
    last = "InceptionResnetV1/Bottleneck/MatMul"
    (node,) = [n for n in model.get_ops() if n.get_friendly_name() == last]
    cut = ov.Model([node.output(0)], model.get_parameters(), "cut")
    network = ov.Core().compile_model(cut, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    pixels = (crops.astype(np.float32) - 127.5) / 128
    raw = np.concatenate([network([pixels[i : i + 1]])[0].reshape(1, 512) for i in range(3)])
    own = weights.tensors("casia")
    wanted = (raw - own["last_bn.running_mean"]) / np.sqrt(own["last_bn.running_var"] + 0.001)
    wanted += own["last_bn.bias"]
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(embeddings(crops), wanted, atol=1e-5)


def unfolded(tensors):
    """The same network as facenet-pytorch stores it: batch norms apart from the convolutions."""
    random = np.random.default_rng(1)
    result = {}
    for name, array in tensors.items():
        if name.endswith(".conv.bias"):
            continue
        if not name.endswith(".conv.weight"):
            result[name] = array
            continue
        n = len(array)
        gain, variance = random.uniform(0.5, 2, n), random.uniform(0.5, 2, n)
        mean = random.normal(0, 0.1, n)
        scale = gain / np.sqrt(variance + 0.001)
        stem = name.removesuffix(".conv.weight")
        result[name] = array / scale[:, None, None, None]
        result[f"{stem}.bn.weight"] = gain
        result[f"{stem}.bn.running_var"] = variance
        result[f"{stem}.bn.running_mean"] = mean
        result[f"{stem}.bn.bias"] = tensors[f"{stem}.conv.bias"] + mean * scale
    result["logits.weight"] = np.zeros((8631, 512))
    return {n: np.ascontiguousarray(a, np.float32) for n, a in result.items()}


def test_a_checkpoint_of_facenet_pytorch_is_understood(crops, tmp_path):
    """CASIA's own numbers in the checkpoint's form must give CASIA's own embeddings."""
    path = tmp_path / "vggface2.safetensors"
    save_file(unfolded(weights.tensors("casia")), path)
    found = embeddings(crops, recognizer="vggface2", weights=path)
    np.testing.assert_allclose(found, embeddings(crops), atol=1e-4)


def test_another_networks_checkpoint_is_refused(tmp_path):
    casia = unfolded(weights.tensors("casia"))
    save_file(
        {**casia, "last_linear.weight": np.zeros((3, 3), np.float32)}, tmp_path / "a.safetensors"
    )
    save_file(weights.tensors("pnet"), tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_text("nothing")
    for name, words in {
        "a": "has shape",
        "b": "not an InceptionResnetV1",
        "c": "not a read",
    }.items():
        with pytest.raises(WeightsError, match=words):
            weights.checkpoint_tensors(tmp_path / f"{name}.safetensors", weights.tensors("casia"))
