"""``people.json``: who is where under which number, over several videos."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrack.core.atomic_write import atomic_write
from facetrack.identity.embedding_groups import EmbeddingGroups
from facetrack.identity.similarity import CalibratedJudge, Judge, ThresholdJudge, probability
from facetrack.identity.video_people import VideoPeople, mean_of

SCHEMA = "facetrack/people/1"
PEOPLE_FILE = "people.json"


def joined_in(folder: Path) -> Path | None:
    """The ``people.json`` that speaks of the analysis, if there is one beside it."""
    file = folder.absolute().parent / PEOPLE_FILE
    try:
        videos = json.loads(file.read_text("utf-8"))["videos"]
        return file if folder.name in {video["folder"] for video in videos} else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def write_people(out: Path, casts: Sequence[VideoPeople], judge: Judge) -> None:
    """Writes ``OUT/people.json``; ``casts``: numbered alike, judged by ``judge``."""
    numbers = sorted({p.id for cast in casts for p in cast.people})
    by_cosine = isinstance(judge, ThresholdJudge)
    data = {
        "schema": SCHEMA,
        "recognizer": casts[0].recognizer.name if casts else None,
        "threshold": judge.threshold if isinstance(judge, ThresholdJudge) else None,
        "probability": None if by_cosine else round(probability(judge.needed), 6),
        "videos": [{"folder": inside(out, c.folder), "source": c.source} for c in casts],
        "people": [_person(out, casts, number) for number in numbers],
    }
    with atomic_write(out / PEOPLE_FILE) as path:
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _person(out: Path, casts: Sequence[VideoPeople], number: int) -> dict[str, Any]:
    group = [(v, p) for v, cast in enumerate(casts) for p in cast.people if p.id == number]
    images = [(casts[v].sharpness.get(number, -1.0), v, p) for v, p in group if p.thumbnail]
    _, video, best = max(images, key=lambda found: found[0], default=(0.0, 0, None))
    image = casts[video].folder / str(best.thumbnail) if best else None
    similarities = _similarities(casts, number)
    return {
        "id": number,
        "name": group[0][1].name,
        "confidence": group[0][1].confidence,
        "seconds": round(sum(p.seconds for _, p in group), 6),
        "thumbnail": inside(out, image) if image else None,
        "videos": [
            {
                "folder": inside(out, casts[v].folder),
                "seconds": p.seconds,
                "first_s": p.first_s,
                "last_s": p.last_s,
                "intervals": [
                    {k: x for k, x in asdict(i).items() if k != "person"}
                    for i in casts[v].intervals
                    if i.person == number
                ],
                "similarity": similarities[v][0] if v in similarities else None,
                "probability": similarities[v][1] if v in similarities else None,
            }
            for v, p in group
        ],
    }


def _similarities(casts: Sequence[VideoPeople], number: int) -> dict[int, tuple[float, float]]:
    """Each video to the mean cosine of the person with what the other videos show of them, and the
    probability that they are one; nothing where no other does."""
    shown = {v: c.embeddings[number] for v, c in enumerate(casts) if number in c.embeddings}
    if len(shown) < 2:
        return {}
    judge = CalibratedJudge(casts[0].recognizer.calibration)
    odds = EmbeddingGroups.of(list(shown.values()), judge).log_odds()
    means = np.stack([mean_of(e.vectors) for e in shown.values()])
    cosine = means @ means.T
    return {
        v: (_without_own(cosine[i], i), round(probability(_without_own(odds[i], i)), 4))
        for i, v in enumerate(shown)
    }


def _without_own(row: NDArray[np.floating[Any]], own: int) -> float:
    """The mean over the other videos."""
    return round(float(np.delete(row, own).mean()), 4)


def inside(out: Path, path: Path) -> str:
    """As ``people.json`` in ``out`` writes it."""
    return Path(os.path.relpath(path, out)).as_posix()
