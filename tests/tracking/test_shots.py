"""Cuts: each rule by the smallest case that breaks without it, and films of each kind."""

import random

import numpy as np
import pytest
from PIL import Image

from made.found_cuts import cuts_of, found_cuts
from made.shot_films import Material, coarse_film, material_of
from made.shot_kinds import KINDS

HEIGHT, WIDTH = 72, 128


def cuts(greys):
    return found_cuts([np.full((72, 128, 3), grey, np.uint8) for grey in greys])


def test_a_hard_cut_is_found_at_its_frame():
    assert cuts([50] * 6 + [120] * 6) == [6]


def test_a_flash_is_no_cut():
    assert cuts([50] * 6 + [250] + [50] * 6) == []


def test_a_shot_of_one_frame_has_two_cuts():
    assert cuts([50] * 6 + [250] + [120] * 6) == [6, 7]


def test_a_fade_is_no_cut():
    assert cuts([50 + 9 * i for i in range(12)]) == []


def test_short_videos():
    assert cuts([]) == []
    assert cuts([50]) == []
    assert cuts([50, 200]) == [1]


def scene(seed, size=(HEIGHT, WIDTH)):
    """Soft spots of colour, others for each seed."""
    spots = np.random.default_rng(seed).integers(0, 256, (5, 8, 3), np.uint8)
    return np.array(Image.fromarray(spots).resize(size[::-1], Image.Resampling.BICUBIC))


def placed(small, top, left, ground=128):
    """A small image on plain ground, or on an image."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = ground
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return image


def small(seed):
    return placed(scene(seed, (28, 50)), 22, 39)


def noisy(images, sigma):
    numbers = np.random.default_rng(0)
    noise = [numbers.normal(0, sigma, image.shape) for image in images]
    pairs = zip(images, noise, strict=True)
    return [(image + n).round().clip(0, 255).astype(np.uint8) for image, n in pairs]


def test_a_cut_between_small_images_on_the_same_ground():
    assert found_cuts([small(1)] * 10 + [small(2)] * 10 + [small(3)] * 10) == [10, 20]


@pytest.mark.parametrize("of", [scene, small])
def test_cuts_at_a_fifth_of_the_light_with_noise(of):
    images = [image // 5 for image in [of(1)] * 12 + [of(2)] * 12]
    assert found_cuts(noisy(images, 1.5)) == [12]


@pytest.mark.parametrize(("of", "light"), [(scene, 0.06), (small, 0.2)])
def test_cuts_in_so_little_light_that_noise_changes_as_much(of, light):
    shots = [of(seed) * light for seed in (1, 2, 3) for _ in range(12)]
    assert found_cuts(noisy(shots, 5)) == [12, 24]


def test_a_head_that_jerks_in_noise_is_no_cut():
    ways = [*[10] * 12, 14, 26, 30, *[30] * 12]
    moved = [placed(scene(1, (40, 32)), 20, x, scene(2)) * 0.1 for x in ways]
    assert found_cuts(noisy(moved, 5)) == []


def test_a_flash_in_noise_is_no_cut():
    dark, lit = scene(1) * 0.1, scene(1) * 0.1 + 8
    assert found_cuts(noisy([dark] * 12 + [lit] * 2 + [dark] * 12, 5)) == []


def test_a_key_frame_of_another_quality_is_no_cut():
    """Everything changes a little, and stays."""
    before, after = scene(1).astype(int), scene(2).astype(int)
    popped = (before + (after - before) // 12).astype(np.uint8)
    assert found_cuts([scene(1)] * 12 + [popped] * 12) == []


def test_subtitles_are_no_cuts():
    text = noisy([np.full((12, 90, 3), 128, np.uint8)], 100)[0]
    subtitled = placed(text, 58, 19, scene(1))
    assert found_cuts([scene(1)] * 10 + [subtitled] * 10 + [scene(1)] * 10) == []


@pytest.mark.parametrize("shown", [1, 2])
def test_a_head_that_moves_quickly_is_no_cut(shown):
    """However often each frame is repeated; at rest before and after."""
    ways = [*[10] * 6, 16, 26, 38, 50, 60, 66, *[66] * 6]
    images = [placed(scene(1, (40, 32)), 20, x, scene(2)) for x in ways for _ in range(shown)]
    assert found_cuts(images, np.arange(len(images)) / (25 * shown)) == []


@pytest.mark.parametrize(
    ("photo", "ground", "size", "rate"),
    [("001_0.jpg", 128, 85, 0.002), ("001_0.jpg", 255, 110, 0.005), ("002_1.jpg", 128, 110, 0.002)],
)
def test_a_photo_that_grows_by_whole_pixels_is_no_cut(photo, ground, size, rate, shared_media):
    """Its left and right edge reach the next samples in the same frame."""
    image = Image.open(shared_media.parent / "faces" / photo).convert("RGB")
    frames = []
    for i in range(150):
        edge = round(size * (1 + rate * i))
        frame = Image.new("RGB", (640, 360), (ground,) * 3)
        grown = image.resize((edge, edge), Image.Resampling.BOX)
        frame.paste(grown, (320 - edge // 2, 180 - edge // 2))
        frames.append(np.asarray(frame))
    assert found_cuts(frames) == []


def test_a_head_elsewhere_after_a_gap_is_no_cut():
    """At once it is one: another small image."""
    places = [10] * 12 + [66] * 12
    images = [placed(scene(1, (40, 32)), 20, x, scene(2)) for x in places]
    times_s = np.arange(24) / 25
    assert found_cuts(images, times_s) == [12]
    assert found_cuts(images, times_s + 0.5 * (np.arange(24) >= 12)) == []


def test_another_scene_after_a_gap_is_a_cut():
    times_s = np.arange(24) / 25 + 0.5 * (np.arange(24) >= 12)
    assert found_cuts([scene(1)] * 12 + [scene(2)] * 12, times_s) == [12]


def test_a_gap_nearby_hides_no_cut():
    """What changed in half a second says little of what changes in a frame."""
    places = [*range(10), *range(14, 18)]
    moved = [placed(scene(1, (40, 32)), 20, x, scene(2)) for x in places]
    images = moved + [placed(scene(3, (40, 32)), 20, 18, scene(2))] * 12
    times_s = np.arange(26) / 25 + 0.5 * (np.arange(26) >= 10)
    assert found_cuts(images, times_s) == [14]


def test_shots_of_three_frames():
    shots = [scene(seed) for seed in (1, 2) for _ in range(3)]
    assert found_cuts([scene(0)] * 10 + shots + [scene(5)] * 10) == [10, 13, 16]


def test_a_cut_into_quick_motion():
    """A head that moves as fast as this hides no other scene."""
    ways = (10, 22, 34, 46, 58, 70)
    moving = [placed(scene(1, (40, 32)), 20, x, scene(2)) for x in ways]
    assert found_cuts([scene(4)] * 10 + moving + [moving[-1]] * 6) == [10]


@pytest.mark.parametrize(("share", "cut"), [(0.3, 11), (0.7, 10)])
def test_a_blended_frame_at_a_cut_belongs_to_what_it_is_most_of(share, cut):
    blend = (scene(1) * (1 - share) + scene(2) * share).astype(np.uint8)
    assert found_cuts([scene(1)] * 10 + [blend] + [scene(2)] * 10) == [cut]


def test_a_dissolve_is_no_cut():
    shares = np.linspace(0, 1, 12)
    mixed = [(scene(1) * (1 - share) + scene(2) * share).astype(np.uint8) for share in shares]
    assert found_cuts([scene(1)] * 10 + mixed + [scene(2)] * 10) == []


def test_flashes_of_two_frames_and_strobes_are_no_cuts():
    lit = (scene(1) // 2 + 127).astype(np.uint8)
    assert found_cuts([scene(1)] * 10 + [lit] * 2 + [scene(1)] * 10) == []
    assert found_cuts(([scene(1)] * 2 + [lit] * 2) * 8) == []


def test_shots_of_one_frame_at_the_ends():
    assert found_cuts([scene(1)] + [scene(2)] * 12 + [scene(3)]) == [1, 13]


@pytest.mark.parametrize(
    "kind",
    [
        "a fifth of the light, noise",
        "small faces in one place",
        "a blended frame at each cut",
        "24 as 30 frames/s",
        "15 as 60 frames/s",
        "variable rate, cuts",
        "variable rate, gaps",
        "quick heads",
        "a face that jerks",
        "shake",
        "fades",
        "flashes",
        "strobe",
        "subtitles",
    ],
)
def test_films_of_kinds_that_were_not_right(kind, pyfeat_data):
    training_clips = {"WolfgangLanger_Pexels.mp4": 19.0, "single_face.mp4": 2.4, "no_face.mp4": 3.9}
    photos = [pyfeat_data / name for name in ("0-f1-su-ph.jpg", "0-f15-hao-ph.jpg")]
    material = Material({pyfeat_data / name: s for name, s in training_clips.items()}, photos)
    film = KINDS[kind](material, random.Random(31))
    assert cuts_of(film) == list(film.cuts)


@pytest.mark.parametrize("kind", ["small on the same ground", "small, a fifth of the light"])
def test_encoded_films_of_small_images(kind, shared_media, pyfeat_data, tmp_path):
    film = KINDS[kind](material_of(pyfeat_data, shared_media.parent, 0), random.Random(32))
    assert cuts_of(film, tmp_path) == list(film.cuts)


@pytest.mark.parametrize(
    ("clip", "cuts"), [("concert_cuts.mp4", [20, 82, 211]), ("man_b.mp4", []), ("woman_c.mp4", [])]
)
def test_real_clips(clip, cuts, shared_media):
    """The true cuts were found by eye."""
    assert found_cuts(*coarse_film(shared_media / clip)) == cuts
