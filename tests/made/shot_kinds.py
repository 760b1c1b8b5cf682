"""The kinds of films on which cut detectors fail: false cuts, missed cuts.

Each maker takes material and a seeded chance, and gives a film. ``KINDS`` names all of them.
"""

import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from facetrack_bench.joined_film import LEFT, RIGHT, SMALL
from made.shot_films import (
    FPS,
    SIZE,
    Material,
    Shot,
    ShotFilm,
    changed,
    flat,
    lengths,
    noisy,
    starts,
)


def hard_cuts(material: Material, chance: random.Random) -> ShotFilm:
    shots = material.shots(chance, lengths(chance, 10))
    return ShotFilm(flat(shots), starts(shots))


def dim(material: Material, chance: random.Random) -> ShotFilm:
    """A fifth of the light, with a camera's noise."""
    shots = material.shots(chance, lengths(chance, 10))
    dark = [changed(image, 0.2) for image in flat(shots)]
    return ShotFilm(noisy(dark, chance, 2.0), starts(shots))


def small(material: Material, chance: random.Random) -> ShotFilm:
    """An image in the middle 40 % of the same grey."""
    shots = material.shots(chance, lengths(chance, 10), SMALL)
    return ShotFilm(flat(shots), starts(shots))


def small_photos(material: Material, chance: random.Random) -> ShotFilm:
    """Faces that fill the same place, as cut-out photos do."""
    faces = Material({}, material.photos)
    shots = faces.shots(chance, lengths(chance, 12), (0.4, 0.3, 0.225, 0.4))
    return ShotFilm(flat(shots), starts(shots))


def small_dim(material: Material, chance: random.Random) -> ShotFilm:
    shots = material.shots(chance, lengths(chance, 10), SMALL)
    dark = [changed(image, 0.2) for image in flat(shots)]
    return ShotFilm(noisy(dark, chance, 1.0), starts(shots))


def split_screen(material: Material, chance: random.Random) -> ShotFilm:
    """One half goes on while the other one cuts."""
    shots = material.shots(chance, lengths(chance, 8), RIGHT)
    images = flat(shots)
    (other,) = material.shots(chance, [len(images)], LEFT, takes_only=True)
    half = SIZE[0] // 2
    for left, right in zip(other, images, strict=True):
        right.paste(left.crop((0, 0, half, SIZE[1])), (0, 0))
    return ShotFilm(images, starts(shots))


def short_shots(material: Material, chance: random.Random) -> ShotFilm:
    """Cuts three to six frames apart, between longer shots."""
    counts = [20, 3, 20, 3, 3, 25, 4, 6, 20, 5, 3, 20]
    shots = material.shots(chance, counts)
    return ShotFilm(flat(shots), starts(shots))


def montage(material: Material, chance: random.Random) -> ShotFilm:
    """Cuts three to twelve frames apart, one after the other."""
    shots = material.shots(chance, lengths(chance, 16, 3, 12))
    return ShotFilm(flat(shots), starts(shots))


def cut_at_the_edges(material: Material, chance: random.Random) -> ShotFilm:
    """The first and the last shot last one frame."""
    shots = material.shots(chance, [1, 30, 1])
    return ShotFilm(flat(shots), starts(shots))


def blended(material: Material, chance: random.Random) -> ShotFilm:
    """A frame between two shots is a mix of them, as converted frame rates have it."""
    shots = material.shots(chance, lengths(chance, 10))
    images, cuts = list(shots[0]), []
    for shot in shots[1:]:
        share = chance.choice((0.3, 0.4, 0.6, 0.7))
        cuts.append(len(images) + (share < 0.5))
        images += [Image.blend(images[-1], shot[0], share), *shot[1:]]
    return ShotFilm(images, tuple(cuts))


def dissolves(material: Material, chance: random.Random) -> ShotFilm:
    """From shot to shot within half a second or more."""
    shots = material.shots(chance, [40] * 6)
    images = list(shots[0])
    for shot in shots[1:]:
        length = chance.randint(12, 25)
        mixed = [
            Image.blend(images[i - length], shot[i], (i + 1) / (length + 1)) for i in range(length)
        ]
        images = images[:-length] + mixed + shot[length:]
    return ShotFilm(images, ())


def fades(material: Material, chance: random.Random) -> ShotFilm:
    """Down to black and up again; what is next begins in the dark."""
    images = []
    for shot in material.shots(chance, [45] * 5):
        length = chance.randint(8, 15)
        for i, image in enumerate(shot):
            images.append(changed(image, min(1.0, i / length, (len(shot) - 1 - i) / length)))
        images += [changed(shot[0], 0)] * chance.randint(1, 8)
    return ShotFilm(images, ())


def flashes(material: Material, chance: random.Random) -> ShotFilm:
    """Of one or two frames, over the whole frame or a part of it."""
    images = material.shots(chance, [220], takes_only=True)[0]
    at = 10
    while at < len(images) - 10:
        light = chance.choice((60, 120, 255))
        edge = chance.choice((0, SIZE[0] // 3))
        for i in range(at, at + chance.choice((1, 1, 2))):
            lit = changed(images[i].crop((edge, 0, *SIZE)), 1, light)
            images[i].paste(lit, (edge, 0))
        at += chance.randint(12, 30)
    return ShotFilm(images, ())


def strobe(material: Material, chance: random.Random) -> ShotFilm:
    """Light that goes on and off every few frames."""
    images = material.shots(chance, [150], takes_only=True)[0]
    for first in range(20, 120, 50):
        every = chance.choice((1, 2))
        for i in range(first, first + 30):
            if (i - first) // every % 2 == 0:
                images[i] = changed(images[i], 1.5, 40)
    return ShotFilm(images, ())


def still_takes(material: Material, chance: random.Random) -> ShotFilm:
    return ShotFilm(material.take(chance, 250), ())


def quick_heads(material: Material, chance: random.Random) -> ShotFilm:
    """A take that runs faster for some frames now and then; its speed at most doubles at once."""
    take = material.take(chance)
    at, images = 0.0, []
    while at < len(take) - 30 or len(images) < 150:
        for speed in chance.choice(
            ((1,) * 8, (2, 4, 4, 2), (2, 4, 7, 4, 2), (2, 4, 6, 6, 6, 4, 2))
        ):
            images.append(take[bounced(int(at), len(take))])
            at += speed
    return ShotFilm(images[:400], ())


def bounced(at: int, count: int) -> int:
    """Back and forth through the frames of a take."""
    at %= 2 * count - 2
    return min(at, 2 * count - 2 - at)


def moving_head(material: Material, chance: random.Random) -> ShotFilm:
    """A face that jerks from place to place within three to six frames, before still ground."""
    ground = material.shots(chance, [1])[0][0]
    photo = ImageOps.fit(Image.open(chance.choice(material.photos)).convert("RGB"), (150, 190))
    x, y, images = 240.0, 80.0, []
    for _ in range(12):
        to_x, to_y = x + chance.uniform(-90, 90), y + chance.uniform(-30, 30)
        to_x, to_y = min(440, max(50, to_x)), min(150, max(20, to_y))
        moved = chance.randint(3, 6)
        for i in range(moved + chance.randint(4, 15)):
            share = (1 - np.cos(np.pi * min(1, (i + 1) / moved))) / 2
            image = ground.copy()
            image.paste(photo, (round(x + (to_x - x) * share), round(y + (to_y - y) * share)))
            images.append(image)
        x, y = to_x, to_y
    return ShotFilm(images, ())


def gaps(material: Material, chance: random.Random) -> ShotFilm:
    """A take with a variable rate: frames 20 to 70 ms apart, and up to a second now and then."""
    take = material.take(chance)
    at, images, times = 0.0, [], []
    while at < (len(take) - 1) / FPS or len(images) < 100:
        images.append(take[bounced(round(at * FPS), len(take))])
        times.append(at)
        at += chance.choice((0.02, 0.04, 0.04, 0.07))
        if chance.random() < 0.08:
            at += chance.uniform(0.2, 1.0)
    return ShotFilm(images, (), times)


def cuts_and_gaps(material: Material, chance: random.Random) -> ShotFilm:
    """Hard cuts in a film of variable rate, some of them behind a gap."""
    shots = material.shots(chance, lengths(chance, 8, 50, 100), takes_only=True)
    kept, times, at = [], [], 0.0
    for shot in shots:
        kept.append([])
        skip = 0
        for image in shot:
            if skip == 0 or image is shot[0] or image is shot[-1]:
                kept[-1].append(image)
                times.append(at)
            skip = skip - 1 if skip else chance.choice((*(0,) * 15, 6, 12))
            at += 1 / FPS
        at += chance.choice((0, 0, 0.3))
    return ShotFilm(flat(kept), starts(kept), times)


def repeated(shots: Sequence[Shot], out_fps: float, in_fps: float) -> ShotFilm:
    """Each output time shows the last frame of a film of ``in_fps``."""
    counts = range(int(len(flat(shots)) * out_fps / in_fps))
    shown = [int(i * in_fps / out_fps + 1e-6) for i in counts]
    images = flat(shots)
    cuts = tuple(next(i for i in counts if shown[i] >= cut) for cut in starts(shots))
    times = [i / out_fps for i in counts]
    return ShotFilm([images[i] for i in shown], cuts, times)


def pulldown(material: Material, chance: random.Random) -> ShotFilm:
    """24 frames a second shown as 30: every fourth frame twice."""
    return repeated(material.shots(chance, lengths(chance, 9)), 30, 24)


def doubled(material: Material, chance: random.Random) -> ShotFilm:
    """12.5 frames a second shown as 25: of two changes, one is none."""
    return repeated([s[::2] for s in material.shots(chance, lengths(chance, 9))], 25, 12.5)


def fourfold(material: Material, chance: random.Random) -> ShotFilm:
    """15 frames a second shown as 60."""
    return repeated([s[::2] for s in material.shots(chance, lengths(chance, 9, 16))], 60, 15)


def poor(material: Material, chance: random.Random) -> ShotFilm:
    """A low rate with a key frame every half second, whose quality pops."""
    shots = material.shots(chance, lengths(chance, 6, 30, 60))
    options = (("crf", "38"), ("preset", "veryfast"), ("g", "12"), ("sc_threshold", "0"))
    return ShotFilm(flat(shots), starts(shots), None, options)


def shake(material: Material, chance: random.Random) -> ShotFilm:
    """A camera in the hand that is knocked."""
    take, images = material.shots(chance, [200], takes_only=True)[0], []
    x = y = speed_x = speed_y = 0.0
    for image in take:
        knocked = chance.random() < 0.04
        speed_x = 0.6 * speed_x - 0.15 * x + chance.gauss(0, 14 if knocked else 1)
        speed_y = 0.6 * speed_y - 0.15 * y + chance.gauss(0, 10 if knocked else 1)
        x, y = min(40, max(-40, x + speed_x)), min(25, max(-25, y + speed_y))
        box = (40 + x, 25 + y, SIZE[0] - 40 + x, SIZE[1] - 25 + y)
        images.append(image.resize(SIZE, Image.Resampling.BILINEAR, box))
    return ShotFilm(images, ())


def scrolling(material: Material, chance: random.Random) -> ShotFilm:
    """Credits over a take."""
    font = ImageFont.load_default(22)
    images = material.shots(chance, [200], takes_only=True)[0]
    names = [
        f"{'ABCDEFGH'[i % 8] * (3 + i % 9)} {'xyzuvw'[i % 6] * (4 + i % 7)}" for i in range(30)
    ]
    for i, image in enumerate(images):
        draw = ImageDraw.Draw(image)
        for line, name in enumerate(names):
            draw.text((200, SIZE[1] + 34 * line - 7 * i), name, "white", font)
    return ShotFilm(images, ())


def subtitles(material: Material, chance: random.Random) -> ShotFilm:
    """Two lines, some of them on a black box, that come and go at once."""
    font = ImageFont.load_default(24)
    images = material.shots(chance, [250], takes_only=True)[0]
    at = 12
    while at < len(images) - 30:
        until = at + chance.randint(15, 40)
        boxed, words = chance.random() < 0.5, chance.randint(4, 7)
        line = " ".join("nobody said that"[: chance.randint(3, 12)] for _ in range(words))
        for image in images[at:until]:
            draw = ImageDraw.Draw(image)
            for y in (300, 328):
                if boxed:
                    draw.rectangle((90, y, 550, y + 28), "black")
                draw.text((100, y), line[:38], "white", font, stroke_width=1, stroke_fill="black")
        at = until + chance.randint(0, 15)
    return ShotFilm(images, ())


def pan(material: Material, chance: random.Random) -> ShotFilm:
    """A still camera that swings over within a few frames."""
    (left,), (right,) = material.shots(chance, [1, 1], size=(960, 540))
    wide = Image.new("RGB", (1920, 540))
    wide.paste(left, (0, 0))
    wide.paste(right, (960, 0))
    x, images = 0.0, []
    for _ in range(6):
        to, moved = chance.uniform(0, 1920 - SIZE[0]), chance.randint(8, 16)
        for i in range(moved + 12):
            share = (1 - np.cos(np.pi * min(1, (i + 1) / moved))) / 2
            at = round(x + (to - x) * share)
            images.append(wide.crop((at, 90, at + SIZE[0], 90 + SIZE[1])))
        x = to
    return ShotFilm(images, ())


KINDS: dict[str, Callable[[Material, random.Random], ShotFilm]] = {
    "hard cuts": hard_cuts,
    "a fifth of the light, noise": dim,
    "small on the same ground": small,
    "small faces in one place": small_photos,
    "small, a fifth of the light": small_dim,
    "one half of a split screen": split_screen,
    "shots of 3 to 6 frames between longer": short_shots,
    "montage, shots of 3 to 12 frames": montage,
    "first and last shot of one frame": cut_at_the_edges,
    "a blended frame at each cut": blended,
    "24 as 30 frames/s": pulldown,
    "12.5 as 25 frames/s": doubled,
    "15 as 60 frames/s": fourfold,
    "variable rate, cuts": cuts_and_gaps,
    "CRF 38, pops": poor,
    "single takes": still_takes,
    "quick heads": quick_heads,
    "a face that jerks": moving_head,
    "variable rate, gaps": gaps,
    "shake": shake,
    "quick pans": pan,
    "dissolves": dissolves,
    "fades": fades,
    "flashes": flashes,
    "strobe": strobe,
    "scrolling text": scrolling,
    "subtitles": subtitles,
}
