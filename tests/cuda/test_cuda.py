"""The torch engine on a CUDA GPU: kernels, the same faces as on the CPU, decoder, memory.

All tests are skipped where there is no GPU.
"""

import subprocess
import sys
from dataclasses import replace

import av
import numpy as np
import pytest
import torch

import facetrack
from facetrack.core.boxes import iou_matrix
from facetrack.core.settings import DecodeSettings, DetectionSettings, IdentitySettings, Settings
from facetrack.cuda.layers import Layers
from facetrack.cuda.memory import DecodingRoom
from facetrack.detection.mtcnn.cuda import networks, pixels
from facetrack.media.decode import PyavSource
from facetrack.media.frame_image import RgbImage
from facetrack.media.source import open_source
from facetrack.models.weight_files import FILES, find
from facetrack.models.weights import tensors
from facetrack.pipeline.torch_engine import open_torch_engine
from facetrack.recognition import quality
from facetrack.recognition.crops import box_crop, crop_of
from facetrack.recognition.quality import sharpness
from facetrack.recognition.recognizers import ALIGNED_112
from made.media import make_film, make_film_of_sizes, make_video

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA GPU that torch can use"
)

GPU = DetectionSettings(device="cuda", detector="mtcnn", dense=True, min_face=20)
H264, HEVC = ("closed", "one", "open"), ("hevc", "hevc_open")
SURE = 0.95
"""Score from which a box must be found."""


@pytest.fixture(scope="module")
def engine():
    return open_torch_engine(GPU, IdentitySettings(recognizer="facenet"))


@pytest.fixture(params=["mtcnn", "yunet"])
def detector(request):
    """Settings of each detector."""
    return replace(GPU, detector=request.param)


@pytest.fixture(scope="module")
def cpu_engine():
    return open_torch_engine(
        replace(GPU, device="torch-cpu"), IdentitySettings(recognizer="facenet")
    )


@pytest.fixture(scope="module")
def images(pyfeat_data):
    """Frames of one talking person, in different places."""
    with av.open(str(pyfeat_data / "WolfgangLanger_Pexels.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return [RgbImage(f) for f in frames[::7]]


@pytest.fixture(scope="module")
def films(pyfeat_data, tmp_path_factory):
    """Films of 200 real frames: with an IDR frame every 50 frames, with only one, with open groups,
    and as HEVC. One of 210 frames of three sizes. One of 400 frames of 1080p with one IDR frame."""
    with av.open(str(pyfeat_data / "single_face.mp4")) as source:
        frames = list(source.decode(video=0))
    out = tmp_path_factory.mktemp("films")
    paths = {name: out / f"{name}.mp4" for name in H264 + HEVC}
    make_film(frames, paths["closed"], 200, g="50", sc_threshold="0")
    make_film(frames, paths["one"], 200, g="1000", sc_threshold="0")
    make_film(frames, paths["open"], 200, g="50", **{"x264-params": "open-gop=1"})
    for name, opened in ("hevc", 0), ("hevc_open", 1):
        options = {"x265-params": f"log-level=none:keyint=50:open-gop={opened}"}
        make_film(frames, paths[name], 200, codec="libx265", preset="veryfast", **options)
    paths["sizes"] = out / "sizes.ts"
    paths["large"] = out / "large.mp4"
    large = [frame.reformat(1920, 1080) for frame in frames]
    make_film(large, paths["large"], 400, g="1000", sc_threshold="0", preset="ultrafast")
    make_film_of_sizes(frames, paths["sizes"], [(640, 360), (960, 540), (640, 360)], 70)
    return paths


@pytest.fixture(scope="module")
def film(films):
    return films["closed"]


def matched(found, expected):
    """For each box in ``expected`` with a sure score, its best IoU with a box in ``found``."""
    best = []
    for a, b in zip(found, expected, strict=True):
        sure = b.boxes[b.scores >= SURE]
        if len(sure):
            best += list(iou_matrix(sure, a.boxes).max(1)) if len(a) else [0.0] * len(sure)
    return np.array(best)


def levels_on_gpu(there, sizes):
    """The GPU's pyramid in the layout of ``pixels.levels``."""
    from facetrack.cuda.kernels.pyramid import pyramid

    made = pyramid(there.table, sizes)
    numbers, n = made.parts.float().sum(1)[:, :3], made.images
    return [
        numbers[start : start + n * h * w].view(n, h, w, 3).permute(0, 3, 1, 2)
        for start, (h, w) in zip(made.starts, sizes, strict=True)
    ]


def test_means_are_those_of_the_integral_images():
    rgb = torch.randint(0, 256, (2, 271, 481, 3), dtype=torch.uint8)
    there, here = pixels.Pixels.of_rgb(rgb.cuda()), pixels.Pixels.of_rgb(rgb)
    # Windows of 3 to 22 pixels, and up to the whole frame.
    sizes = [(109, 193), (77, 137), (40, 70), (24, 41), (13, 22), (5, 9), (2, 3), (1, 1)]
    for a, b in zip(levels_on_gpu(there, sizes), pixels.levels(here, sizes), strict=True):
        torch.testing.assert_close(a.cpu(), b, atol=1e-6, rtol=0)
    corners = torch.tensor([[0, 0, 481, 271], [5, 7, 60, 33], [9, 9, 10, 10], [3, 3, 3, 9]])
    of_image = torch.tensor([0, 1, 1, 0])
    a = pixels.crops(there, corners.cuda(), of_image.cuda(), 24, torch.float32)
    b = pixels.crops(here, corners, of_image, 24, torch.float32)
    torch.testing.assert_close(a.cpu(), b, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sizes", [[(109, 193), (78, 136), (13, 30), (12, 12)], [(12, 13)]])
@pytest.mark.parametrize("at_once", [500, 100_000, 2**20])
def test_pnet_is_as_exact_as_float32(sizes, at_once, monkeypatch):
    """Levels of even and odd sizes and the smallest one, in one call and alone; more frames than
    fit into one run, and fewer."""
    from facetrack.detection.mtcnn.cuda import pnet as pnet_kernels
    from facetrack.detection.mtcnn.cuda.pnet import PnetWeights, pnet_on_gpu

    monkeypatch.setattr(pnet_kernels, "PIXELS", at_once)
    rgb = torch.randint(0, 256, (8, 109, 193, 3), dtype=torch.uint8)
    there = pixels.Pixels.of_rgb(rgb.cuda())
    net = Layers(tensors("pnet"), torch.device("cpu"), torch.float32)
    weights = PnetWeights.of(Layers(tensors("pnet"), torch.device("cuda"), torch.float32))
    on_gpu = pnet_on_gpu(weights, there.table, sizes)
    for found, level in zip(on_gpu, levels_on_gpu(there, sizes), strict=True):
        for a, b in zip(found, networks.pnet(net, level.cpu()), strict=True):
            torch.testing.assert_close(a.cpu(), b, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(3, 64, 77, 77), (2, 256, 17, 17), (5, 896, 8, 8)])
def test_pooling_is_torchs(shape):
    from facetrack.cuda.kernels.pool import pooled

    x = torch.randn(shape, device="cuda", dtype=torch.float16)
    expected = torch.nn.functional.max_pool2d(x, 3, 2)
    torch.testing.assert_close(pooled(x), expected, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("name", "size", "n"), [("rnet", 24, 70), ("onet", 48, 3), ("rnet", 24, 1)]
)
def test_a_first_layer_is_as_exact_as_float16(name, size, n):
    """Including the last windows, which reach beyond the convolution's output."""
    x = torch.rand(n, 3, size, size) * 2 - 1
    here, there = (
        Layers(tensors(name), torch.device(device), dtype)
        for device, dtype in (("cpu", torch.float32), ("cuda", torch.float16))
    )
    expected, found = here.first(x), there.first(x.cuda().half()).float().cpu()
    channels = expected.shape[1]
    torch.testing.assert_close(found[:, :channels], expected, atol=5e-3, rtol=2e-3)
    assert not found[:, channels:].any()


def test_the_same_faces_as_on_the_cpu(engine, cpu_engine, images):
    best = matched(list(engine.detector.detect(images)), list(cpu_engine.detector.detect(images)))
    assert len(best) > 20
    assert (best >= 0.9).mean() >= 0.99
    assert np.median(best) >= 0.98


def test_the_same_embeddings_as_on_the_cpu(engine, cpu_engine):
    crops = np.random.default_rng(0).integers(0, 256, (70, 160, 160, 3), dtype=np.uint8)
    cosines = (engine.embedder.embed(crops) * cpu_engine.embedder.embed(crops)).sum(1)
    assert cosines.min() >= 0.99


def test_sface_is_as_onnx_runtime_computes_it(images, engine):
    """From the published file, on real crops and on darker ones."""
    onnxruntime = pytest.importorskip("onnxruntime")
    tensors("sface")  # fetches the file where it is missing
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        find(FILES["sface"]), options, providers=["CPUExecutionProvider"]
    )
    found = list(zip(images, engine.detector.detect(images), strict=True))
    crops = [
        crop_of(frame, faces, i, ALIGNED_112) for frame, faces in found for i in range(len(faces))
    ]
    crops = np.stack(crops + [crop // 2 for crop in crops])
    assert len(crops) > 40
    # The file lists weights among its inputs that nothing uses.
    unused = {i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs()}
    planes = crops.transpose(0, 3, 1, 2).astype(np.float32)
    expected = np.concatenate(
        [session.run(None, unused | {"data": one[None]})[0] for one in planes]
    )
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    embedder = open_torch_engine(GPU, IdentitySettings(recognizer="sface")).embedder
    cosines = (embedder.embed(crops) * expected).sum(1)
    assert cosines.min() >= 0.995


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
@pytest.mark.parametrize("recognizer", ["sface", "facenet"])
def test_faces_are_embedded_as_soon_as_they_are_found(film, detector, recognizer):
    """They equal the embeddings that are computed later."""
    engine = open_torch_engine(
        replace(GPU, detector=detector), IdentitySettings(recognizer=recognizer)
    )
    source, _ = open_source(film, "cuda")
    with source:
        frames = [frame.image for frame in source.frames()][:60]
    found = [
        (frame, faces, i)
        for frame, faces in zip(frames, engine.detector.detect(frames), strict=True)
        for i in range(len(faces))
    ]
    assert len(found) >= 60
    crops = np.stack([crop_of(*face, engine.embedder.crop) for face in found])
    eager = np.stack([faces.recognised.embeddings[i] for _, faces, i in found])
    assert (engine.embedder.embed(crops) * eager).sum(1).min() >= 0.99
    sharp = [sharpness(box_crop(frame, faces.boxes[i])) for frame, faces, i in found]
    np.testing.assert_allclose(
        [faces.recognised.sharpness[i] for _, faces, i in found], sharp, atol=0.02
    )


def test_dark_crops_are_made_brighter_as_on_the_host(images, engine):
    """In a batch with bright crops, which do not change."""
    from facetrack.recognition.cuda.crops import normalised_light

    found = zip(images, engine.detector.detect(images), strict=True)
    crops = np.stack([crop_of(frame, faces, 0, ALIGNED_112) for frame, faces in found])
    crops = np.concatenate([crops // share for share in (1, 3, 8, 60)])
    expected = np.stack([quality.normalised_light(crop) for crop in crops])
    assert (expected != crops).any((1, 2, 3)).sum() >= len(crops) // 2
    difference = np.abs(
        normalised_light(torch.from_numpy(crops).cuda()).cpu().numpy() - expected.astype(int)
    )
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_yunet_finds_the_same_faces_as_on_the_cpu(film, images):
    """In frames that the GPU decoded and scaled, and in frames from the host."""
    gpu, cpu = (
        open_torch_engine(DetectionSettings(device=d, detector="yunet"), IdentitySettings())
        for d in ("cuda", "torch-cpu")
    )
    source, _ = open_source(film, "cuda")
    with source:
        decoded = [frame.image for frame in source.frames()][::10]
    with PyavSource(film) as plain:
        of_host = [frame.image for frame in plain.frames()][::10]
    for on_gpu, on_cpu in (decoded, of_host), (of_host, of_host), (images, images):
        found, expected = (
            list(engine.detector.detect(frames))
            for engine, frames in ((gpu, on_gpu), (cpu, on_cpu))
        )
        best = matched(found, expected)
        assert len(best) >= 20
        assert (best >= 0.9).mean() >= 0.99
        assert (matched(expected, found) >= 0.9).mean() >= 0.99


def test_the_same_timeline_as_on_the_cpu(pyfeat_data):
    clip = pyfeat_data / "face_noface.mov"
    gpu, cpu = (
        facetrack.analyze(clip, Settings(detection=DetectionSettings(device=d, dense=True)))
        for d in ("cuda", "torch-cpu")
    )
    assert len(gpu.people) == len(cpu.people)
    assert len(gpu.intervals) == len(cpu.intervals)
    for a, b in zip(gpu.intervals, cpu.intervals, strict=True):
        assert abs(a.start_frame - b.start_frame) <= 1 and abs(a.end_frame - b.end_frame) <= 1


@pytest.mark.parametrize("name", [*H264, *HEVC, "sizes"])
@pytest.mark.parametrize("room", [None, 100, 6])
def test_the_gpus_decoder_gives_libavs_frames(films, name, room, monkeypatch):
    """With memory for all frames, and with memory for ``room`` frames only."""
    if room is not None:
        little = DecodingRoom(sessions=2, frames=room, block=16)
        monkeypatch.setattr(DecodingRoom, "on", lambda *_: little)
    source, decoder = open_source(films[name], "cuda")
    assert decoder == "nvdec"
    with source, PyavSource(films[name]) as plain:
        for a, b in zip(source.frames(), plain.frames(), strict=True):
            assert (a.index, a.time_s) == (b.index, b.time_s)
            assert a.image.shape == b.image.shape
            coarse = a.image.coarse().astype(int) - b.image.coarse()
            assert np.abs(coarse).max() <= 1
            if a.index % 20 == 0:
                difference = a.image.rgb().astype(int) - b.image.rgb()
                assert np.abs(difference).max() <= 4
        assert not source.warnings
        assert source.info() == plain.info()


def test_damaged_packets_cost_only_their_own_frames(film, tmp_path):
    """Packets that hold no frame are dropped, and every other frame keeps its time."""
    out = tmp_path / "damaged.mp4"
    with av.open(str(film)) as source, av.open(str(out), "w") as made:
        stream = source.streams.video[0]
        copy = made.add_stream_from_template(stream)
        for i, packet in enumerate(p for p in source.demux(stream) if p.size):
            if 60 <= i < 64:
                data = av.Packet(b"\0\0\0\1\x0c" + bytes(40))
                data.pts, data.dts, data.time_base = packet.pts, packet.dts, packet.time_base
                packet = data
            packet.stream = copy
            made.mux(packet)
    source, _ = open_source(out, "cuda")
    with source:
        times = [frame.time_s for frame in source.frames()]
    assert times == sorted(set(times))
    assert 200 - 50 <= len(times) <= 200
    assert {round(t * 25) for t in times} >= {*range(50), *range(100, 200)}


def turned(scale, degrees, x, y):
    """The placement of a square whose corner is at ``x y``."""
    turn = scale * np.exp(1j * np.radians(degrees))
    return np.array([(turn.real, -turn.imag, x), (turn.imag, turn.real, y)])


def test_face_crops_are_taken_off_the_gpu_together_and_look_as_on_the_host(film):
    """With odd corners, smaller and larger than a crop, turned, and reaching past the edges."""
    source, _ = open_source(film, "cuda")
    with source:
        frames = [frame.image for frame in source.frames()][:60]
    at = [(5 * i % 200, 3 * i % 90) for i in range(30)]
    corners = [(x, y, x + 31 + 7 * i, y + 40 + 3 * i) for i, (x, y) in enumerate(at)]
    placements = [turned(0.3 + i / 10, 7 * i - 90, 11 * i - 20, 5 * i) for i in range(30)]
    cuts = [
        frame.face_cut(*where, 112)
        for frame, *where in zip(frames, corners, placements, strict=False)
    ]
    del cuts[::3]
    cuts[5].box_crop()
    assert [cut.image is None for cut in cuts] == [i == 5 for i in range(len(cuts))]
    cuts[0].prepare_with(cuts[1:])
    assert all(cut.image is None for cut in cuts)
    kept = [i for i in range(30) if i % 3]
    for i, cut in zip(kept, cuts, strict=True):
        on_host = RgbImage(frames[i].rgb()).face_cut(corners[i], placements[i], 112)
        for a, b in (
            (cut.box_crop(), on_host.box_crop()),
            (cut.aligned_crop(), on_host.aligned_crop()),
        ):
            difference = np.abs(a.astype(int) - b)
            assert difference.max() <= 4 and difference.mean() < 0.5


def test_what_the_gpu_cannot_decode_is_decoded_by_libav(tmp_path):
    make_video(tmp_path / "old.avi", codec="mpeg4")
    source, decoder = open_source(tmp_path / "old.avi", "cuda")
    with source:
        assert decoder == "libav, not the GPU: its codec is mpeg4"
        assert len(list(source.frames())) == 30


def test_results_do_not_depend_on_the_batches(detector, images):
    engine = open_torch_engine(detector, IdentitySettings())
    whole = list(engine.detector.detect(images))
    for size in (1, 7, len(images) - 1):
        parts = (images[i : i + size] for i in range(0, len(images), size))
        for a, b in zip(
            (f for part in parts for f in engine.detector.detect(part)), whole, strict=True
        ):
            np.testing.assert_allclose(a.boxes, b.boxes, atol=0.05)


def device_allocations(device: torch.device) -> int:
    """Number of times that torch has allocated memory from the driver so far."""
    return int(torch.cuda.memory_stats(device).get("num_device_alloc", 0))


def test_nothing_is_allocated_once_all_sizes_are_known(film):
    """In a third run over the same film torch allocates nothing, nor do the graphs."""
    settings = Settings(DecodeSettings(), DetectionSettings(device="cuda", dense=True))
    facetrack.analyze(film, settings)
    facetrack.analyze(film, settings)
    device = torch.device("cuda", torch.cuda.current_device())
    before = device_allocations(device), torch.cuda.memory_reserved(device)
    facetrack.analyze(film, settings)
    assert (device_allocations(device), torch.cuda.memory_reserved(device)) == before


def test_out_of_memory_halves_the_batch_and_loses_no_face(detector, images):
    """GPU memory is really limited."""
    settings = replace(detector, rnet_threshold=0.71)  # graphs of its own
    many = [*images] * 8
    generous = open_torch_engine(settings, IdentitySettings())
    expected = list(generous.detector.detect(many))
    generous.detector._batches.forget()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**28) / whole)
    try:
        scarce = open_torch_engine(settings, IdentitySettings())
        found = list(scarce.detector.detect(many))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert scarce.detector._batches.limit < max(generous.detector.batch_sizes)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.boxes, b.boxes, atol=0.05)


ANALYSIS_ON_LITTLE = """
import sys
import torch
import facetrack
from facetrack.core.settings import DetectionSettings, Settings

film, left, out = sys.argv[1:]
free, _ = torch.cuda.mem_get_info()
taken = torch.empty(free - int(left), dtype=torch.uint8, device="cuda")
facetrack.analyze(film, Settings(detection=DetectionSettings(device="cuda"))).save(out)
"""


@pytest.mark.parametrize("mib", [3000, 1500])
def test_a_gpu_with_little_memory_finds_the_same_faces(films, mib, tmp_path):
    """1080p with one IDR frame, when other programs have left ``mib`` of memory."""
    settings = Settings(detection=DetectionSettings(device="cuda", dense=True))
    expected = facetrack.analyze(films["large"], settings)
    command = [sys.executable, "-c", ANALYSIS_ON_LITTLE, films["large"], str(mib << 20), tmp_path]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = facetrack.Analysis.load(tmp_path)
    assert found.performance["decoder"] == "nvdec"
    assert [(t.id, t.person, t.first_frame, t.last_frame) for t in found.tracks] == [
        (t.id, t.person, t.first_frame, t.last_frame) for t in expected.tracks
    ]
    assert len(found.people) == len(expected.people) == 1
    np.testing.assert_allclose(found.faces["x1"], expected.faces["x1"], atol=0.1)


def test_no_memory_at_all_is_reported_in_one_line(films, tmp_path):
    command = [sys.executable, "-c", ANALYSIS_ON_LITTLE, films["large"], str(200 << 20), tmp_path]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "FacetrackError: the GPU has no memory left for" in run.stderr
