"""Measures what docs/people.md says of galleries and of several videos, on labelled photographs.

    PYTHONPATH=tests python tools/known_people.py PHOTOS [sface|facenet]

``PHOTOS`` holds ``labels.csv`` (file, identity, group) and the photographs. A photograph stands for
a track of one face, so videos do better than this.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from facetrack.clips.plan.photo import face_of
from facetrack.core.errors import FacetrackError
from facetrack.core.settings import DetectionSettings, IdentitySettings, TrackingSettings
from facetrack.identity.embedding_groups import EmbeddingGroups, EmbeddingSet
from facetrack.identity.gallery_matching import MAX_LOG_ODDS, SURE, confidences
from facetrack.identity.joining import same_people
from facetrack.identity.similarity import CalibratedScorer, log_odds_of
from facetrack.identity.video_people import VideoPeople
from facetrack.pipeline.engine import open_engine
from facetrack.timeline import Person, RecognizerInfo

STRANGERS = 150
"""Photographs of people who are not in the gallery, for each gallery."""
TRIES = 5


def main() -> None:
    folder, recognizer = Path(sys.argv[1]), (*sys.argv[2:], "sface")[0]
    engine = open_engine(DetectionSettings(detector="mtcnn"), IdentitySettings(recognizer))
    embedder = engine.embedder
    info = RecognizerInfo(embedder.name, embedder.dim, embedder.calibration)
    photos, group = embedded(folder, engine)
    print(f"{info.name}: {sum(map(len, photos.values()))} photographs of {len(photos)} people")
    for name in ("all", *sorted(set(group.values()))):
        people = [p for p in photos if name in ("all", group[p])]
        for names, shown in ((1, 1), (1, 2), (10, 1), (10, 2), (50, 1), (50, 2)):
            gallery_line(f"{name}, gallery", names, shown, people, photos, info)
        for shown in (1, 3):
            for probability in (0.5, 0.8, 0.9, 0.95):
                joined_line(f"{name}, joined", shown, probability, people, photos, info)


def embedded(folder, engine):
    """Person to the faces of their photographs, and person to group."""
    photos, group = defaultdict(list), {}
    with (folder / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            try:
                face = face_of(folder / row["file"], engine, TrackingSettings().min_score)
            except FacetrackError:  # somebody else is in it too
                continue
            photos[row["identity"]].append(face)
            group[row["identity"]] = row["group"]
    return photos, group


def gallery_line(what, names, shown, people, photos, info):
    """Galleries of so many names; asked for the other photographs of these, and for strangers."""
    scorer = CalibratedScorer(info.calibration, prior=0.0, max_log_odds=MAX_LOG_ODDS)
    enough = [p for p in people if len(photos[p]) > shown]
    if len(enough) < names or len(people) < names + 5:
        return
    right = wrong = asked = named = strangers = 0
    for seed in range(max(60 // names, 6)):
        rng = np.random.default_rng(seed)
        known = rng.choice(enough, names, replace=False).tolist()
        order = {p: rng.permutation(len(photos[p])).tolist() for p in known}
        gallery = [EmbeddingSet.joined([photos[p][k] for k in order[p][:shown]]) for p in known]
        theirs = [(n, photos[p][k]) for n, p in enumerate(known) for k in order[p][shown:]]
        others = [face for p in people if p not in known for face in photos[p]]
        others = [others[k] for k in rng.permutation(len(others))[:STRANGERS]]
        groups = EmbeddingGroups.of([face for _, face in theirs] + others, scorer)
        odds = groups.log_odds(other=EmbeddingGroups.of(gallery, scorer))
        for i, row in enumerate(odds):
            sure = confidences(row)
            best = int(sure.argmax())
            if i >= len(theirs):
                named += sure[best] >= SURE
            elif sure[best] >= SURE:
                right, wrong = right + (best == theirs[i][0]), wrong + (best != theirs[i][0])
        asked, strangers = asked + len(theirs), strangers + len(others)
    print(
        f"{what}, {names} names by {shown} photos: named {right / asked:.1%}, as somebody else "
        f"{wrong / asked:.2%} (of {asked}); strangers named {named / strangers:.2%} "
        f"(of {strangers})"
    )


def joined_line(what, shown, probability, people, photos, info):
    """Two videos with the same people, so many photographs of each as tracks."""
    twice = [p for p in people if len(photos[p]) >= 2]
    scorer = CalibratedScorer(info.calibration, log_odds_of(probability))
    found = false = 0
    for seed in range(TRIES):
        rng = np.random.default_rng(seed)
        one, other = [], []
        for person in twice:
            order = rng.permutation(len(photos[person])).tolist()
            most = min(shown, len(order) // 2)
            one.append([photos[person][k] for k in order[:most]])
            other.append([photos[person][k] for k in order[most : 2 * most]])
        videos = [video_of(faces, info) for faces in (one, other)]
        for appearances in same_people(videos, scorer):
            numbers = [number for _, number in appearances]
            pairs = [(a, b) for i, a in enumerate(numbers) for b in numbers[:i]]
            found += sum(a == b for a, b in pairs)
            false += sum(a != b for a, b in pairs)
    count = TRIES * len(twice)
    print(
        f"{what} from {probability:.2f} on, {shown} tracks each: found again {found / count:.1%}, "
        f"false pairs {false} (of {count} people)"
    )


def video_of(faces, info):
    """People 1, 2, ... with these faces."""
    people = [Person(n, f"Person {n}", 1, 1.0, 0.0, 1.0, None) for n in range(1, len(faces) + 1)]
    embeddings = {n: EmbeddingSet.joined(of) for n, of in enumerate(faces, 1)}
    return VideoPeople(Path(), "", info, 0.5, None, people, [], embeddings, {}, set())


if __name__ == "__main__":
    main()
