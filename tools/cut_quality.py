"""Prints the table of cuts in docs/quality.md: missed and false ones by kind of film.

    PYTHONPATH=tests:benchmarks python tools/cut_quality.py OUT ../shared

Each film is made once; what the detector sees of it stays in OUT.
"""

import random
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facetrack.demo import sample_media
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.models.weights import cache_folder
from facetrack.tracking.shots import ShotDetector
from facetrack_bench.joined_film import make_film
from facetrack_bench.known_film import scenes
from made.shot_films import coarse_film, material_of
from made.shot_kinds import KINDS
from made.timing_kinds import TIMING_KINDS
from quality import films

SEEDS = {"chosen by": (0, (1, 2)), "checked": (1, (11, 12)), "held out": (2, (21, 22))}
"""Part of the material, and seeds."""
TRUE_CUTS = {"concert_cuts.mp4": (20, 82, 211)}
"""Of the shared clips, seen by eye; the other ones are single takes."""


def found_cuts(coarse: np.ndarray, times_s: np.ndarray) -> set[int]:
    detector = ShotDetector()
    seen = enumerate(zip(coarse, times_s.tolist(), strict=True))
    frames = [Frame(i, time_s, RgbImage(image)) for i, (image, time_s) in seen]
    judged = detector.push(frames) + detector.flush()
    return {i for i, decision in enumerate(judged) if decision.starts_shot}


def kept(folder: Path, name: str, make: Callable[[Path], tuple[int, ...]]) -> Path:
    """What ``make`` writes as a video, and the cuts that it gives, as the detector sees them."""
    made = folder / "".join(c if c.isalnum() else "_" for c in name)
    made = made.with_suffix(".npz")
    if not made.exists():
        video = made.with_suffix(".mp4")
        cuts = make(video)
        coarse, times_s = coarse_film(video)
        np.savez_compressed(made, coarse=coarse, times_s=times_s, cuts=np.array(cuts, int))
        video.unlink()
    return made


def main() -> None:
    out, shared = Path(sys.argv[1]), Path(sys.argv[2])
    pyfeat = sample_media(cache_folder())
    out.mkdir(parents=True, exist_ok=True)
    rows: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for name, (people, seed, size, crf) in films(pyfeat, shared / "media").items():

        def joined(video: Path) -> tuple[int, ...]:
            ranges = make_film(scenes(people, seed), video, size, crf)  # noqa: B023
            return tuple(first for first, _ in ranges[1:])

        rows["ten films of known people", ""].append(kept(out, f"ten {name}", joined))
    for clip in sorted((shared / "media").glob("*.mp4")):

        def copied(video: Path) -> tuple[int, ...]:
            video.write_bytes(clip.read_bytes())  # noqa: B023
            return TRUE_CUTS.get(clip.name, ())  # noqa: B023

        rows["five shared clips", ""].append(kept(out, clip.name, copied))
    for part, (number, seeds) in SEEDS.items():
        material = material_of(pyfeat, shared, number)
        for kind, make in (KINDS | TIMING_KINDS).items():
            for seed in seeds:

                def written(video: Path) -> tuple[int, ...]:
                    film = make(material, random.Random(seed))  # noqa: B023
                    film.write(video)
                    return film.cuts

                rows[kind, part].append(kept(out, f"{part} {seed} {kind}", written))
    print("| kind | part | films | frames | cuts | missed | false |")
    print("|---|---|---|---|---|---|---|")
    for (kind, part), paths in rows.items():
        print(f"| {kind} | {part} | {len(paths)} | {' | '.join(map(str, counted(paths)))} |")


def counted(paths: list[Path]) -> tuple[int, int, int, int]:
    """Frames, cuts, missed and false ones."""
    frames = cuts = missed = false = 0
    for path in paths:
        film = np.load(path)
        true, found = set(film["cuts"].tolist()), found_cuts(film["coarse"], film["times_s"])
        frames, cuts = frames + len(film["coarse"]), cuts + len(true)
        missed, false = missed + len(true - found), false + len(found - true)
    return frames, cuts, missed, false


if __name__ == "__main__":
    main()
