"""Films in HDR: the analysis, face crops and clips see them mapped to BT.709 by ITU-R BT.2390, and
clips stay in HDR when it is asked for."""

import gc
from fractions import Fraction
from io import BytesIO
from itertools import islice

import av
import numpy as np
import psutil
import pytest
from PIL import Image

import facetrack
from facetrack.clips.plan.plan import encoding_of
from facetrack.clips.render.render import render_clips
from facetrack.core.settings import ClipSettings
from facetrack.media.decode import PyavSource, upright
from facetrack.media.frame_reader import FrameReader
from facetrack.media.planar import HLG, PQ
from facetrack.media.tone_mapping import BT709, BT2020, WHITE, peak_of, pq_coded, sdr, tone_mapped
from made.clip_data import clip_of
from made.media import make_video

NITS = np.array([0, 1, 5, 10, 26, 50, 100, 150, 203, 300, 500, 1000])
FILMS = {
    "HEVC, PQ": ("mp4", "libx265", "yuv420p10le", PQ),
    "HEVC, HLG": ("mov", "libx265", "yuv420p10le", HLG),
    "HEVC of 12 bits, PQ": ("mkv", "libx265", "yuv422p12le", PQ),
    "ProRes, HLG": ("mov", "prores_ks", "yuv422p10le", HLG),
    "AV1, PQ": ("mp4", "libsvtav1", "yuv420p10le", PQ),
    "H.264 of 8 bits, HLG": ("mkv", "libx264", "yuv420p", HLG),
}
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Of linear R G B of BT.709 (ITU-R BT.2087)."""


def coded(rgb, pix_fmt, transfer):
    """A frame of R'G'B' samples, 0 to 1."""
    frame = av.VideoFrame.from_ndarray(np.rint(rgb * 65535).astype(np.uint16), format="rgb48le")
    frame = frame.reformat(
        format=pix_fmt, dst_colorspace=BT2020, src_color_range="JPEG", dst_color_range="MPEG"
    )
    frame.colorspace, frame.color_range = BT2020, 1
    frame.color_primaries, frame.color_trc = BT2020, transfer
    return frame


def write(path, images, codec, pix_fmt, transfer, **options):
    options = {
        "libx265": {"crf": "8", "preset": "ultrafast", "x265-params": "log-level=error:pools=none"},
        "libx264": {"crf": "8"},
        "libsvtav1": {"crf": "10", "preset": "10", "svtav1-params": "lp=1"},
    }.get(codec, {}) | options
    with av.open(str(path), "w") as film:
        video = film.add_stream(codec, rate=25, options=options)
        video.width, video.height = images[0].shape[1], images[0].shape[0]
        video.pix_fmt = pix_fmt
        context = video.codec_context
        context.colorspace, context.color_range = BT2020, 1
        context.color_primaries, context.color_trc = BT2020, transfer
        for i, image in enumerate(images):
            frame = coded(image, pix_fmt, transfer)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
    return path


def grey_steps(transfer):
    """``(64, 32 n, 3)`` R'G'B' of greys, and ``(n,)`` their code."""
    code = pq_coded(NITS) if transfer == PQ else np.linspace(0, 1, len(NITS))
    return np.repeat(np.repeat(code, 32)[None, :, None], 64, 0) * np.ones(3), code


def middles(image):
    """``(n, 3)`` of the steps."""
    return image[32, 16::32].astype(float)


@pytest.mark.parametrize("kind", FILMS)
def test_frames_are_mapped_by_the_formula(tmp_path, kind):
    suffix, codec, pix_fmt, transfer = FILMS[kind]
    image, code = grey_steps(transfer)
    path = write(tmp_path / f"film.{suffix}", [image] * 4, codec, pix_fmt, transfer)
    with PyavSource(path) as source:
        frames = list(source.frames())
        info, (note,) = source.info(), source.notes
    assert info.hdr == ("pq" if transfer == PQ else "hlg")
    assert f"HDR ({info.hdr.upper()})" in note and "--hdr keep" in note
    expected = 255 * tone_mapped(np.repeat(code[:, None], 3, 1), transfer, BT2020, 1000.0)
    atol = 4 if "8 bits" in kind else 3
    for frame in frames:
        np.testing.assert_allclose(middles(frame.image.rgb()), expected, atol=atol)
    with FrameReader.open(path, info.streams) as reader:
        again = upright(reader.frame_at(0.08))
    np.testing.assert_array_equal(again.rgb(), frames[2].image.rgb())


def test_the_curve_is_that_of_the_report():
    grey = np.repeat(pq_coded(NITS)[:, None], 3, 1)
    light = tone_mapped(grey, PQ, BT2020, 1000.0)[:, 0] ** 2.4 * WHITE
    assert (np.diff(light) > 0).all()
    np.testing.assert_allclose(light[:6], NITS[:6], rtol=0.01, atol=0.01)  # below the knee
    assert light[8] / WHITE == pytest.approx(0.90**2.4, abs=0.02)
    assert light[-1] == pytest.approx(WHITE, rel=0.01)
    # Annex 5 of BT.2390: half-way up the knee, by hand.
    most = pq_coded(np.array(203.0)) / pq_coded(np.array(1000.0))
    knee = 1.5 * most - 0.5
    half = (knee + 1) / 2
    by_hand = 0.5 * knee + 0.125 * (1 - knee) + 0.5 * most
    found = tone_mapped(np.full(3, half * pq_coded(np.array(1000.0))), PQ, BT2020, 1000.0)
    assert pq_coded(found[0] ** 2.4 * WHITE) / pq_coded(np.array(1000.0)) == pytest.approx(
        by_hand, abs=1e-4
    )


def test_hlg_s_reference_white_is_that_of_pq():
    """75 % of HLG and 58 % of PQ are both 203 cd/m2 (BT.2408)."""
    hlg = tone_mapped(np.full(3, 0.75), HLG, BT2020, 1000.0)
    pq = tone_mapped(np.full(3, pq_coded(np.array(203.0))), PQ, BT2020, 1000.0)
    np.testing.assert_allclose(hlg, pq, atol=0.01)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_colours_are_mapped_by_the_formula(transfer):
    rng = np.random.default_rng(1)
    colours = rng.random((12, 3)) ** 1.3 * 0.7
    image = np.repeat(np.repeat(colours, 32, 0)[None], 64, 0)
    made = sdr(coded(image, "yuv444p10le", transfer)).to_ndarray(format="rgb24")
    expected = 255 * tone_mapped(colours, transfer, BT2020, 1000.0)
    away = np.abs(middles(made) - expected)
    assert away.mean() < 2 and np.percentile(away, 95) < 8


@pytest.mark.parametrize(("nits", "peak"), [(300, 400), (1000, 1000), (1200, 2000), (4000, 4000)])
def test_the_light_of_the_master_is_the_end_of_the_curve(tmp_path, nits, peak):
    image, _ = grey_steps(PQ)
    display = "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)"
    params = f"log-level=error:pools=none:master-display={display}L({nits}0000,1)"
    path = tmp_path / "film.mp4"
    write(path, [image] * 3, "libx265", "yuv420p10le", PQ, **{"x265-params": params})
    with av.open(str(path)) as film:
        assert [peak_of(frame) for frame in film.decode(video=0)] == [peak] * 3


def in_hdr(image, nits=WHITE):
    """``(h, w, 3)`` uint8 of BT.709 as PQ: white has so many cd/m2."""
    light = nits * (image / 255.0) ** 2.4 @ TO_BT2020.T
    return pq_coded(light)


@pytest.fixture(scope="module")
def films(pyfeat_data, tmp_path_factory):
    """A film of a face in the standard range, and the same in HDR."""
    folder = tmp_path_factory.mktemp("hdr")
    with av.open(str(pyfeat_data / "WolfgangLanger_Pexels.mp4")) as film:
        images = [
            frame.reformat(320, 180, "rgb24").to_ndarray()
            for frame in islice(film.decode(video=0), 30)
        ]
    plain, hdr = folder / "plain.mp4", folder / "hdr.mp4"
    with av.open(str(plain), "w") as film:
        video = film.add_stream("libx264", rate=25, options={"crf": "8"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        for image in images:
            film.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        film.mux(video.encode(None))
    write(hdr, [in_hdr(image) for image in images], "libx265", "yuv420p10le", PQ)
    return plain, hdr


def thumbnail(analysis):
    (jpeg,) = analysis.thumbnails.values()
    return np.asarray(Image.open(BytesIO(jpeg))).astype(float)


def test_a_face_is_found_and_looks_as_in_the_standard_range(films, tmp_path):
    plain, hdr = map(facetrack.analyze, films)
    assert (plain.info.hdr, hdr.info.hdr) == (None, "pq")
    assert len(hdr.people) == len(plain.people) == 1
    ours, expected = thumbnail(hdr), thumbnail(plain)
    assert ours.std() > 0.9 * expected.std()  # not flat
    assert abs(ours.mean() - expected.mean()) < 8
    hdr.save(tmp_path / "hdr")
    assert facetrack.Analysis.load(tmp_path / "hdr").info.hdr == "pq"


def clip_images(path):
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        frames = list(film.decode(video=0))
    first = frames[0]
    tags = [int(t) for t in (first.colorspace, first.color_primaries, first.color_trc)]
    return stream.codec_context.codec.canonical_name, first.format.name, tags, frames


CROP = {"crop": (192, 32, 384, 64), "size": (384, 64)}


@pytest.mark.parametrize("kind", ["HEVC, PQ", "HEVC, HLG"])
def test_clips_are_mapped_and_tagged(tmp_path, kind):
    suffix, codec, pix_fmt, transfer = FILMS[kind]
    image, code = grey_steps(transfer)
    path = write(tmp_path / f"film.{suffix}", [image] * 4, codec, pix_fmt, transfer)
    clip = clip_of([0, 0.04, 0.08, 0.12], (0, 4), **CROP)
    encoding = encoding_of(ClipSettings(quality=100), True)
    (made,) = render_clips(path, [clip], tmp_path / "mapped", encoding, 1)
    assert made.error is None
    codec, pix_fmt, tags, frames = clip_images(made.path)
    assert (codec, pix_fmt, tags) == ("h264", "yuv420p", [BT709] * 3)
    expected = 255 * tone_mapped(np.repeat(code[:, None], 3, 1), transfer, BT2020, 1000.0)
    shown = middles(frames[1].to_ndarray(format="rgb24"))
    np.testing.assert_allclose(shown, expected, atol=4)


@pytest.mark.parametrize(
    ("asked", "codec", "made_as"),
    [("h264", "hevc", "yuv420p10le"), ("hevc", "hevc", "yuv420p10le"),
     ("av1", "av1", "yuv420p10le"), ("prores", "prores", "yuv422p10le")],
)  # fmt: skip
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_clips_stay_in_hdr_when_asked_for(tmp_path, asked, codec, made_as, transfer):
    image, code = grey_steps(transfer)
    path = write(tmp_path / "film.mp4", [image] * 4, "libx265", "yuv420p10le", transfer)
    suffix = "mov" if asked == "prores" else "mp4"
    clip = clip_of([0, 0.04, 0.08, 0.12], (0, 4), name=f"clips/a/a.{suffix}", **CROP)
    encoding = encoding_of(ClipSettings(codec=asked, hdr="keep", quality=95), True)
    (made,) = render_clips(path, [clip], tmp_path, encoding, 1)
    assert made.error is None
    found, pix_fmt, tags, frames = clip_images(made.path)
    assert (found, pix_fmt, tags) == (codec, made_as, [BT2020, BT2020, transfer])
    luma = np.frombuffer(memoryview(frames[1].planes[0]), np.uint16)
    luma = luma.reshape(frames[1].height, -1)[32, 16 : 32 * len(code) : 32].astype(float)
    np.testing.assert_allclose(luma, 64 + 876 * code, atol=6)


def test_keeping_changes_nothing_of_a_film_in_the_standard_range():
    for codec in ("h264", "av1"):
        settings = ClipSettings(codec=codec, hdr="keep")
        assert encoding_of(settings, False) == encoding_of(ClipSettings(codec=codec), False)


def test_a_film_in_the_standard_range_passes_untouched(tmp_path):
    make_video(tmp_path / "film.mp4", codec="libx265", pix_fmt="yuv420p10le")
    with av.open(str(tmp_path / "film.mp4")) as film:
        frame = next(film.decode(video=0))
    assert sdr(frame) is frame


def test_threads_of_the_mapping_end_with_it(tmp_path):
    image, _ = grey_steps(PQ)
    path = write(tmp_path / "film.mp4", [image] * 3, "libx265", "yuv420p10le", PQ)
    process, counts = psutil.Process(), []
    gc.disable()
    try:
        for _ in range(12):
            with PyavSource(path) as source:
                assert len(list(source.frames())) == 3
            counts.append(process.num_threads())
    finally:
        gc.enable()
    assert counts == counts[:1] * 12
