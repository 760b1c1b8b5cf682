"""Films whose frames are shown several times, left out, held or shaken: the cuts are those of the
film that they were made from."""

import random
from collections.abc import Callable

from made.shot_films import FPS, Material, ShotFilm, flat, lengths, starts

Retiming = Callable[[int, random.Random], list[tuple[int, float]]]
"""For a number of frames, which of them are shown and when."""


def every_frame(times: int) -> Retiming:
    """Each frame so often, at the same rate."""
    return lambda count, _: [(i // times, i / FPS) for i in range(count * times)]


def converted(from_fps: float, to_fps: float) -> Retiming:
    """Another frame rate, by repeating frames or leaving them out."""
    return lambda count, _: [
        (int(i * from_fps / to_fps + 1e-6), i / to_fps)
        for i in range(int(count * to_fps / from_fps))
    ]


def fewer_images(times: int) -> Retiming:
    """Each frame so often, for those that follow it too."""
    return lambda count, _: [(i // times * times, i / FPS) for i in range(count)]


def without_every(nth: int) -> Retiming:
    return lambda count, _: [(i, i / FPS) for i in range(count) if i % nth != nth - 1]


def with_drops(share: float) -> Retiming:
    return lambda count, chance: [
        (i, i / FPS) for i in range(count) if i == 0 or chance.random() >= share
    ]


def frozen(count: int, chance: random.Random) -> list[tuple[int, float]]:
    """An image stands for a second; then the film is where it would be."""
    start = chance.randrange(count // 4, count // 2)
    return [(start if start <= i < start + FPS else i, i / FPS) for i in range(count)]


def held(count: int, chance: random.Random) -> list[tuple[int, float]]:
    """Two images stand for two seconds each; then the film goes on."""
    stands = {count // 3: 2 * FPS, 2 * count // 3: 2 * FPS}
    shown = [i for i in range(count) for _ in range(stands.get(i, 1))]
    return [(i, at / FPS) for at, i in enumerate(shown)]


def with_pauses(count: int, chance: random.Random) -> list[tuple[int, float]]:
    """One to five seconds without a frame now and then; what is seen goes on as if none."""
    shown, at = [], 0.0
    for i in range(count):
        shown.append((i, at))
        at += 1 / FPS + (chance.uniform(1, 5) if chance.random() < 0.04 else 0)
    return shown


RETIMINGS: dict[str, Retiming] = {
    "each frame twice": every_frame(2),
    "each frame three times": every_frame(3),
    "each frame five times": every_frame(5),
    "every second frame twice": fewer_images(2),
    "every third frame three times": fewer_images(3),
    "every fifth frame five times": fewer_images(5),
    "24 as 60 frames/s": converted(24, 60),
    "25 as 60 frames/s": converted(25, 60),
    "30 as 25 frames/s": converted(30, 25),
    "without every second frame": without_every(2),
    "without every third frame": without_every(3),
    "without every tenth frame": without_every(10),
    "a fifth of the frames missing": with_drops(0.2),
    "an image that stands for a second": frozen,
    "images held for two seconds": held,
    "pauses of one to five seconds": with_pauses,
}


def retimed(film: ShotFilm, retiming: Retiming, chance: random.Random) -> ShotFilm:
    """The film with other times; its cuts are before the first frame shown of each shot."""
    shown = retiming(len(film.images), chance)
    at = [next((k for k, (i, _) in enumerate(shown) if i >= cut), 0) for cut in film.cuts]
    images = [film.images[i] for i, _ in shown]
    return ShotFilm(images, tuple(at), [time_s for _, time_s in shown], film.options)


def shaken(film: ShotFilm, pixels: int, chance: random.Random, knocks: bool) -> ShotFilm:
    """Each frame is moved, or now and then the film is and stays there."""
    x = y = 0
    images = []
    for image in film.images:
        if not knocks or chance.random() < 0.08:
            x, y = (chance.randint(-pixels, pixels) for _ in range(2))
        width, height = image.size
        box = (pixels + x, pixels + y, width - pixels + x, height - pixels + y)
        images.append(image.crop(box).resize(image.size))
    return ShotFilm(images, film.cuts, film.times_s, film.options)


def long_takes(material: Material, chance: random.Random) -> ShotFilm:
    shots = material.shots(chance, lengths(chance, 5, 30, 60), takes_only=True)
    return ShotFilm(flat(shots), starts(shots))


def _retimed_kind(retiming: Retiming) -> Callable[[Material, random.Random], ShotFilm]:
    return lambda material, chance: retimed(long_takes(material, chance), retiming, chance)


def _shaken_kind(pixels: int, knocks: bool) -> Callable[[Material, random.Random], ShotFilm]:
    return lambda material, chance: shaken(long_takes(material, chance), pixels, chance, knocks)


TIMING_KINDS: dict[str, Callable[[Material, random.Random], ShotFilm]] = {
    **{name: _retimed_kind(retiming) for name, retiming in RETIMINGS.items()},
    **{
        f"{'knocks' if knocks else 'shake'} of {pixels} px": _shaken_kind(pixels, knocks)
        for pixels in (1, 3, 6, 12)
        for knocks in (False, True)
    },
}
