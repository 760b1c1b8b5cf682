"""``people.json``: the people of several videos, with one number for each person."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import InputError
from facetrack.core.limits import limits
from facetrack.core.received_files import json_of, read_below
from facetrack.identity.embedding_groups import EmbeddingGroups
from facetrack.identity.similarity import CalibratedScorer, CosineScorer, PairScorer, probability
from facetrack.identity.video_people import VideoPeople

SCHEMA = "facetrack/people/1"
PEOPLE_FILE = "people.json"


def joined_in(folder: Path) -> Path | None:
    """The ``people.json`` beside an analysis' folder, if it lists that analysis; else None."""
    file = folder.absolute().parent / PEOPLE_FILE
    try:
        videos = json_of(read_below(file.parent, PEOPLE_FILE, limits().text_bytes))["videos"]
        return file if folder.name in {video["folder"] for video in videos} else None
    except (OSError, ValueError, LookupError, TypeError, InputError):
        return None


def write_people(out: Path, videos: Sequence[VideoPeople], scorer: PairScorer) -> None:
    """Writes ``OUT/people.json``.

    Args:
        out: the folder.
        videos: whose people have common numbers.
        scorer: by which they were joined.
    """
    numbers = sorted({p.id for video in videos for p in video.people})
    by_cosine = isinstance(scorer, CosineScorer)
    data = {
        "schema": SCHEMA,
        "recognizer": videos[0].recognizer.name if videos else None,
        "threshold": scorer.threshold if isinstance(scorer, CosineScorer) else None,
        "probability": None if by_cosine else round(probability(scorer.min_log_odds), 6),
        "videos": [{"folder": inside(out, v.folder), "source": v.source} for v in videos],
        "people": [_person(out, videos, number) for number in numbers],
    }
    with atomic_write(out / PEOPLE_FILE) as path:
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _person(out: Path, videos: Sequence[VideoPeople], number: int) -> dict[str, Any]:
    """The entry of one person."""
    group = [(v, p) for v, video in enumerate(videos) for p in video.people if p.id == number]
    images = [(videos[v].sharpness.get(number, -1.0), v, p) for v, p in group if p.thumbnail]
    _, sharpest, best = max(images, key=lambda found: found[0], default=(0.0, 0, None))
    image = videos[sharpest].folder / str(best.thumbnail) if best else None
    similarities = _similarities(videos, number)
    return {
        "id": number,
        "name": group[0][1].name,
        "confidence": group[0][1].confidence,
        "seconds": round(sum(p.seconds for _, p in group), 6),
        "thumbnail": inside(out, image) if image else None,
        "videos": [
            {
                "folder": inside(out, videos[v].folder),
                "seconds": p.seconds,
                "first_s": p.first_s,
                "last_s": p.last_s,
                "intervals": [
                    {k: x for k, x in asdict(i).items() if k != "person"}
                    for i in videos[v].intervals
                    if i.person == number
                ],
                "similarity": similarities[v][0] if v in similarities else None,
                "probability": similarities[v][1] if v in similarities else None,
            }
            for v, p in group
        ],
    }


def _similarities(videos: Sequence[VideoPeople], number: int) -> dict[int, tuple[float, float]]:
    """Position of each video of a person to the similarity with the other videos.

    The similarity is the mean cosine and the probability that both are one person. It is empty
    where no two videos have embeddings of the person.
    """
    shown = {v: p.embeddings[number] for v, p in enumerate(videos) if number in p.embeddings}
    if len(shown) < 2:
        return {}
    scorer = CalibratedScorer(videos[0].recognizer.calibration)
    odds = EmbeddingGroups.of(list(shown.values()), scorer).log_odds()
    means = np.stack([e.mean for e in shown.values()])
    cosine = means @ means.T
    return {
        v: (_without_own(cosine[i], i), round(probability(_without_own(odds[i], i)), 4))
        for i, v in enumerate(shown)
    }


def _without_own(row: NDArray[np.floating[Any]], own: int) -> float:
    """The mean over the other videos."""
    return round(float(np.delete(row, own).mean()), 4)


def inside(out: Path, path: Path) -> str:
    """A path as ``people.json`` in ``out`` writes it: relative to ``out``."""
    return Path(os.path.relpath(path, out)).as_posix()
