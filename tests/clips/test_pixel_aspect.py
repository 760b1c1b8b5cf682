"""Films whose pixels are not square: clips, overlays and face crops have square ones, and show
what a film of square pixels shows."""

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
from PIL import Image

import facetrack
from facetrack.clips.camera.crops import read_crops
from facetrack.core.errors import InputError

DISC = 26
"""Radius in pixels, as shown."""
SHOWN = (640, 360)


@pytest.fixture(scope="module")
def square(pyfeat_data):
    """Real frames of 640 x 360 with a green disc beside the face."""
    y, x = np.mgrid[: SHOWN[1], : SHOWN[0]]
    disc = (x - 312) ** 2 + (y - 60) ** 2 < DISC**2
    images = []
    with av.open(str(pyfeat_data / "WolfgangLanger_Pexels.mp4")) as film:
        for frame in islice(film.decode(video=0), 30):
            image = frame.reformat(*SHOWN, format="rgb24").to_ndarray()
            image[disc] = (0, 230, 0)
            images.append(image)
    return images


def film_of(images, path, width, aspect, turned=False):
    """The images squeezed or stretched to a width, with the pixels' shape said."""
    frames = []
    for image in images:
        stored = np.array(
            Image.fromarray(image).resize((width, SHOWN[1]), Image.Resampling.BICUBIC)
        )
        stored = np.ascontiguousarray(np.rot90(stored, -1)) if turned else stored
        frames.append(av.VideoFrame.from_ndarray(stored, format="rgb24").reformat(format="yuv420p"))
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options={"crf": "12"})
        video.width, video.height, video.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        video.codec_context.sample_aspect_ratio = 1 / aspect if turned else aspect
        if turned:
            video.set_display_rotation(90)
        for i, frame in enumerate(frames):
            frame.pts, frame.time_base = i, Fraction(1, 25)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
    return path


def disc_of(image):
    """Width and height of the green disc."""
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    ys, xs = np.nonzero((green > 120) & (red < 90) & (blue < 90))
    assert len(ys) > 100
    return np.ptp(xs) + 1, np.ptp(ys) + 1


def first_of(path):
    with av.open(str(path)) as film:
        assert film.streams.video[0].sample_aspect_ratio in (None, 1)
        return next(film.decode(video=0)).to_ndarray(format="rgb24")


KINDS = {
    "wide pixels": ("mp4", 450, Fraction(64, 45), False),
    "narrow pixels": ("mkv", 704, Fraction(10, 11), False),
    "twice as wide": ("mov", 320, Fraction(2), False),
    "wide and turned": ("mp4", 450, Fraction(64, 45), True),
}


@pytest.fixture(scope="module")
def reference(square, tmp_path_factory):
    folder = tmp_path_factory.mktemp("square")
    film = film_of(square, folder / "film.mp4", SHOWN[0], Fraction(1))
    analysis = facetrack.analyze(film)
    assert analysis.info.pixel_aspect == 1
    return analysis, folder


def rendered(analysis, out, **settings):
    settings = facetrack.ClipSettings(size=256, quality=95, **settings)
    (clip,) = facetrack.render(analysis, out, settings)
    assert clip.error is None
    return first_of(clip.path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_has_the_form_of_a_square_film(tmp_path, square, reference, kind):
    suffix, width, aspect, turned = KINDS[kind]
    film = film_of(square, tmp_path / f"film.{suffix}", width, aspect, turned)
    facetrack.analyze(film).save(tmp_path / "film")
    analysis = facetrack.Analysis.load(tmp_path / "film")
    assert (analysis.info.width, analysis.info.pixel_aspect) == (width, aspect)
    for settings in ({"zoom": "bust", "aspect": "16:9"}, {"zoom": "bust", "aspect": "1:1"}):
        shown = rendered(analysis, tmp_path / "film", **settings)
        expected = rendered(reference[0], reference[1] / "out", **settings)
        assert shown.shape == expected.shape
        wide, high = disc_of(shown)
        assert wide / high == pytest.approx(1, abs=0.06)
        assert high == pytest.approx(disc_of(expected)[1], rel=0.06)
    whole = rendered(analysis, tmp_path / "film", debug_overlay=True)
    assert whole.shape[:2] == (SHOWN[1], SHOWN[0])


def test_overlays_are_drawn_on_square_pixels(tmp_path, square):
    film = film_of(square, tmp_path / "film.mp4", 450, Fraction(64, 45))
    analysis = facetrack.analyze(film)
    shown = rendered(analysis, tmp_path, debug_overlay=True)
    assert shown.shape[:2] == (SHOWN[1], SHOWN[0])


@pytest.mark.parametrize("align", [False, True])
def test_face_crops_have_square_pixels(tmp_path, square, reference, align):
    film = film_of(square, tmp_path / "film.mp4", 450, Fraction(64, 45))
    crops = []
    for analysis in (facetrack.analyze(film), reference[0]):
        with analysis.face_crops(160, margin=1.5, align=align) as found:
            crops.append(next(iter(found)))
    ours, expected = crops
    np.testing.assert_allclose(ours.landmarks, expected.landmarks, atol=8)
    if not align:  # an aligned crop does not reach the disc
        assert np.divide(*disc_of(ours.image)) == pytest.approx(1, abs=0.06)
    away = np.abs(ours.image.astype(int) - expected.image)
    assert away.mean() < 22


def test_faces_are_recognised_in_their_own_form(tmp_path, square, reference):
    film = film_of(square, tmp_path / "film.mp4", 450, Fraction(64, 45))
    (ours,), (expected,) = (a.embeddings.values() for a in (facetrack.analyze(film), reference[0]))
    assert ours @ expected > 0.95  # 0.82 where a crop is square in stored pixels


def test_edited_crops_keep_their_form(tmp_path, square):
    film = film_of(square, tmp_path / "film.mp4", 450, Fraction(64, 45))
    analysis = facetrack.analyze(film)
    rendered(analysis, tmp_path)
    (clip,) = read_crops(tmp_path / "crops.parquet", analysis)
    wide, high = clip.panels[0].crops[0, 2:]
    assert wide / high * 64 / 45 == pytest.approx(1, abs=0.03)
    (planned,) = facetrack.plan(analysis, facetrack.ClipSettings(size=256, quality=95)).clips
    np.testing.assert_allclose(clip.panels[0].crops, planned.panels[0].crops, atol=0.01)


def test_pixels_of_no_sense_are_square(tmp_path, square):
    film = film_of(square[:9], tmp_path / "film.mkv", SHOWN[0], Fraction(200, 1))
    assert facetrack.analyze(film).info.pixel_aspect == 1


def test_a_folder_with_pixels_of_no_sense_is_refused(tmp_path, reference):
    analysis = replace(reference[0], info=replace(reference[0].info, pixel_aspect=Fraction(99)))
    analysis.save(tmp_path)
    with pytest.raises(InputError, match="pixel_aspect"):
        facetrack.Analysis.load(tmp_path)
