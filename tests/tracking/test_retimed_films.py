"""Films of repeated, missing, held and shaken frames have the cuts of the original film."""

import random

import pytest

from made.found_cuts import cuts_of
from made.shot_films import Material, ShotFilm, flat, starts
from made.timing_kinds import RETIMINGS, retimed, shaken


@pytest.fixture(scope="module")
def film(pyfeat_data):
    """Three shots of people, and a quiet one of nobody."""
    names = {"WolfgangLanger_Pexels.mp4": 19.0, "single_face.mp4": 2.4, "no_face.mp4": 3.9}
    material = Material({pyfeat_data / name: seconds for name, seconds in names.items()})
    shots = material.shots(random.Random(3), [40, 55, 45, 50], takes_only=True)
    return ShotFilm(flat(shots), starts(shots))


@pytest.mark.parametrize("kind", RETIMINGS)
def test_the_cuts_are_those_of_the_film(kind, film):
    made = retimed(film, RETIMINGS[kind], random.Random(4))
    assert cuts_of(made) == list(made.cuts)


@pytest.mark.parametrize("knocks", [False, True])
@pytest.mark.parametrize("pixels", [1, 3, 6])
def test_the_cuts_are_those_of_the_still_film(pixels, knocks, film):
    made = shaken(film, pixels, random.Random(5), knocks)
    assert cuts_of(made) == list(made.cuts)
