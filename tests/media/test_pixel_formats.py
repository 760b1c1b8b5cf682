"""Pixel format, range and matrix may change inside a film: the colours stay right, in whole frames,
in parts of many frames together, and in clips."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from facetrack.clips.render.render import render_clips
from facetrack.media.codecs import Encoding
from facetrack.media.decode import PyavSource
from facetrack.media.sampling import samples, thumbnails
from made.clip_data import clip_of

BARS = np.zeros((64, 96, 3), np.uint8)
BARS[:, :32], BARS[:, 32:64], BARS[:, 64:] = (200, 60, 40), (50, 180, 70), (90, 80, 210)
GREY = np.repeat(np.array([50, 128, 220], np.uint8), 32)[None, :, None].repeat(64, 0).repeat(3, 2)
LIMITED, FULL = "MPEG", "JPEG"
BT709, BT601 = 1, 5
EACH = 3
"""Frames of each format."""

FILMS = {
    "motion jpeg": ("avi", "mjpeg", [("yuvj422p", FULL, BT601), ("yuvj420p", FULL, BT601)]),
    "motion jpeg, then grey": ("avi", "mjpeg", [("yuvj420p", FULL, BT601), ("gray", FULL, 0)]),
    "png": ("avi", "png", [("rgb24", 0, 0), ("pal8", 0, 0), ("gray", 0, 0), ("rgba", 0, 0)]),
    "png of 16 bits": ("mov", "png", [("pal8", 0, 0), ("rgb48be", 0, 0), ("gray16be", 0, 0)]),
    "more bits": ("ts", "libx264", [("yuv420p", LIMITED, BT709), ("yuv420p10le", LIMITED, BT709)]),
    "less bits": ("ts", "libx264", [("yuv420p10le", LIMITED, BT709), ("yuv420p", LIMITED, BT709)]),
    "more colour": ("ts", "libx264", [("yuv420p", LIMITED, BT601), ("yuv444p", LIMITED, BT601)]),
    "another range": ("ts", "libx264", [("yuv420p", LIMITED, BT709), ("yuv420p", FULL, BT709)]),
    "the range back": ("ts", "libx264", [("yuv420p", FULL, BT709), ("yuv420p", LIMITED, BT709)]),
    "another matrix": ("ts", "libx264", [("yuv420p", LIMITED, BT601), ("yuv420p", LIMITED, BT709)]),
    "grey, then colour": ("ts", "libx264", [("gray", LIMITED, BT709), ("yuv420p", LIMITED, BT709)]),
    "all of them": (
        "ts",
        "libx264",
        [("yuv422p10le", FULL, BT601), ("yuv420p", LIMITED, BT709), ("yuv444p", FULL, BT709)],
    ),
}
MIXED = {"motion jpeg", "more bits", "less bits", "another range", "the range back"}
"""Films whose frames are read in two ways, which samples of a batch must not mix."""


def stored(pix_fmt, colour_range, matrix):
    """The bars in a pixel format, and as RGB."""
    if pix_fmt == "pal8":
        palette = np.zeros((256, 4), np.uint8)
        palette[:3] = [(255, *BARS[0, x]) for x in (0, 32, 64)]
        numbers = np.repeat(np.arange(3, dtype=np.uint8), 32)[None].repeat(64, 0)
        return av.VideoFrame.from_ndarray((numbers, palette), format="pal8"), BARS
    image = GREY if pix_fmt.startswith("gray") else BARS
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    if pix_fmt == "gray" and matrix:  # libswscale makes all grey of the full range
        luma = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=colour_range)
        return av.VideoFrame.from_ndarray(luma.to_ndarray()[:64], format="gray"), image
    if not matrix:
        return frame.reformat(format=pix_fmt, dst_color_range=colour_range or None), image
    frame = frame.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=colour_range)
    return frame, image


def film_of(tmp_path, kind):
    """The film, and what each of its frames shows."""
    suffix, codec, formats = FILMS[kind]
    path, images = tmp_path / f"film.{suffix}", []
    with av.open(str(path), "w") as film:
        video = film.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, formats[0][0]
        for number, (pix_fmt, colour_range, matrix) in enumerate(formats):
            if (codec, pix_fmt) == ("mjpeg", "gray"):  # which Pillow encodes, and libav does not
                for i in range(EACH):
                    jpeg = io.BytesIO()
                    Pillow.fromarray(GREY[..., 0]).save(jpeg, "JPEG", quality=95)
                    packet = av.Packet(jpeg.getvalue())
                    packet.pts = packet.dts = number * EACH + i
                    packet.time_base, packet.stream = Fraction(1, 25), video
                    images.append(GREY)
                    film.mux(packet)
                continue
            encoder = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height, encoder.pix_fmt = 96, 64, pix_fmt
            encoder.time_base, encoder.framerate = Fraction(1, 25), 25
            if codec == "libx264":
                encoder.options = {"crf": "5", "bf": "0"}
            if codec == "mjpeg":
                encoder.qmin = encoder.qmax = 2
            if matrix:
                encoder.colorspace = matrix
            if colour_range:
                encoder.color_range = 2 if colour_range == FULL else 1
            for i in range(EACH):
                frame, image = stored(pix_fmt, colour_range, matrix)
                frame.pts, frame.time_base = number * EACH + i, Fraction(1, 25)
                images.append(image)
                packets = encoder.encode(frame)
                for packet in packets + (encoder.encode(None) if i == EACH - 1 else []):
                    packet.stream = video
                    film.mux(packet)
    return path, np.array(images)


def inner(images):
    """Without the edges of the bars, where chroma is mixed."""
    return np.concatenate([images[..., 8:-8, x + 8 : x + 24, :] for x in (0, 32, 64)], axis=-2)


@pytest.mark.parametrize("kind", FILMS)
def test_every_frame_has_its_colours(tmp_path, kind):
    path, expected = film_of(tmp_path, kind)
    with PyavSource(path) as source:
        frames = [frame.image for frame in source.frames()]
        assert source.warnings == []
    assert len(frames) == len(expected)
    np.testing.assert_allclose(inner(np.array([f.rgb() for f in frames])), inner(expected), atol=8)
    if kind in MIXED:
        assert len({frame.kind for frame in frames}) == 2
    order = np.random.default_rng(1).permutation(len(frames)).repeat(2)
    corners = np.array([(8, 10, 24, 26), (70, 10, 86, 26)] * len(frames), np.int32)
    for crops in (
        thumbnails(frames, order, corners, 8),
        samples(frames, order, corners, 16),
        samples(frames, order, corners, 4, 4),
    ):
        for crop, which, (x, y, _, _) in zip(crops, order, corners, strict=True):
            colour = expected[which, y + 4, x + 4]
            np.testing.assert_allclose(crop, np.broadcast_to(colour, crop.shape), atol=8)


@pytest.mark.parametrize("kind", FILMS)
def test_clips_have_the_colours(tmp_path, kind):
    path, expected = film_of(tmp_path, kind)
    count = len(expected)
    clip = clip_of(np.arange(count) / 25, (0, count), crop=(48, 32, 96, 64), size=(96, 64))
    (made,) = render_clips(path, [clip], tmp_path, Encoding(quality=100), jobs=1)
    assert made.error is None
    with av.open(str(made.path)) as film:
        images = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    np.testing.assert_allclose(inner(np.array(images)), inner(expected), atol=8)
