"""Films made of labelled photographs: a person a photo, at a size, with an exact truth.

Each photo is one shot in which it moves slowly over a grey ground. So every track has the look of
one photograph, and only recognition can say which of them are one person: harder than a film, in
which people turn.
"""

import csv
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

import facetrack
from facetrack.core.settings import DetectionSettings, IdentitySettings, Settings
from facetrack.media.frame_image import RgbImage
from facetrack.media.images import open_image
from facetrack.media.opening import create_media
from facetrack.pipeline.engine import Engine, open_engine

FPS, SHOT = 25, 14
WIDTH, HEIGHT = 640, 360
GREY = (128, 128, 128)
BORDER = 0.5
"""Of a photo's longer side, for the detector alone."""
ROOM = 1.7
"""Height of what is shown of a photo, in heights of its face."""
MOST_PEOPLE, MOST_PHOTOS = 10, 4
SIZES_PX = (64, 120, 200)


@dataclass(frozen=True)
class Photo:
    """One labelled photograph, its face found."""

    person: str
    image: Image.Image
    box: tuple[float, float, float, float]
    """x1 y1 x2 y2 of the face in the photo's pixels."""

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]


def groups(faces: Path) -> dict[str, dict[str, list[Path]]]:
    """Group to person to photos, of those who have several; in the order of the labels."""
    found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    with (faces / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["group"]][row["identity"]].append(faces / row["file"])
    return {
        group: {person: files for person, files in people.items() if len(files) > 1}
        for group, people in found.items()
    }


def photos_of(people: dict[str, list[Path]], engine: Engine) -> list[Photo]:
    """A few photos of a few people; those whose face is found and nobody else's."""
    found = []
    for person in list(people)[:MOST_PEOPLE]:
        for file in people[person][:MOST_PHOTOS]:
            image = open_image(file)
            border = round(BORDER * max(image.size))
            bordered = ImageOps.expand(image, border, fill=(127, 127, 127))
            (faces,) = engine.detector.detect([RgbImage(np.array(bordered))])
            sure = faces.pick(np.flatnonzero(faces.scores >= 0.95))
            if len(sure) == 1:
                found.append(_alone(person, image, (sure.boxes[0] - border).tolist()))
    return found


def _alone(person: str, image: Image.Image, box: Sequence[float]) -> Photo:
    """The photo without what is far from the face: there may be somebody else."""
    x1, y1, x2, y2 = box
    room = (ROOM - 1) / 2 * (y2 - y1)
    left, top = max(0, round(x1 - room)), max(0, round(y1 - room))
    right, below = min(image.width, round(x2 + room)), min(image.height, round(y2 + room))
    kept = image.crop((left, top, right, below))
    return Photo(person, kept, (x1 - left, y1 - top, x2 - left, y2 - top))


def make_album(photos: Sequence[Photo], face_px: int, film: Path, truth: Path, seed: int) -> int:
    """Writes the film, one photo after the other in an order of chance, no person twice in a row
    where it can be helped, and its truth (MOTChallenge text); how many shots it has."""
    chance = random.Random(seed)
    order = sorted(photos, key=lambda _: chance.random())
    for i in range(1, len(order)):
        if order[i].person == order[i - 1].person:
            swap = next((k for k in range(i + 1, len(order))
                         if order[k].person != order[i - 1].person), i)  # fmt: skip
            order[i], order[swap] = order[swap], order[i]
    people = {person: n for n, person in enumerate(sorted({p.person for p in photos}), 1)}
    rows, shown = [], 0
    with create_media(film) as out:
        video = out.add_stream("libx264", FPS, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for photo in order:
            scale = face_px / photo.height
            size = (max(2, round(photo.image.width * scale)), round(photo.image.height * scale))
            image = photo.image.resize(size, Image.Resampling.LANCZOS)
            x1, y1, x2, y2 = (v * scale for v in photo.box)
            left = chance.uniform(0.35, 0.55) * WIDTH - (x1 + x2) / 2
            top = chance.uniform(0.45, 0.55) * HEIGHT - (y1 + y2) / 2
            for i in range(SHOT):
                canvas = Image.new("RGB", (WIDTH, HEIGHT), GREY)
                x, y = round(left + 2 * i), round(top)
                canvas.paste(image, (x, y))
                frame = av.VideoFrame.from_ndarray(np.asarray(canvas), "rgb24")
                frame.pts, frame.time_base = shown, Fraction(1, FPS)
                out.mux(video.encode(frame))
                shown += 1
                box = (x1 + x + 1, y1 + y + 1, x2 - x1, y2 - y1)
                rows.append((shown, people[photo.person], *box, 1))
        out.mux(video.encode(None))
    np.savetxt(truth, rows, "%d,%d,%.2f,%.2f,%.2f,%.2f,%d")
    return len(order)


def main() -> None:
    """Prints a table of docs/quality.md: ``PYTHONPATH=tests python tools/albums.py OUT FACES``."""
    out, faces = Path(sys.argv[1]), Path(sys.argv[2])
    engine = open_engine(DetectionSettings(detector="mtcnn"), IdentitySettings())
    print("| group | px | people | recogniser | found | IDF1 | purity | coverage |")
    print("|---|---|---|---|---|---|---|---|")
    for group, people in groups(faces).items():
        photos = photos_of(people, engine)
        for face_px in SIZES_PX:
            folder = out / f"{group}_{face_px}"
            folder.mkdir(parents=True, exist_ok=True)
            film, truth = folder / "film.mp4", folder / "truth.txt"
            make_album(photos, face_px, film, truth, 1)
            for recognizer in ("sface", "facenet"):
                identity = IdentitySettings(recognizer=recognizer)
                analysis = facetrack.analyze(film, Settings(identity=identity))
                found = facetrack.evaluate(analysis, truth)
                by = found.by_person
                scores = f"{by.idf1:.3f} | {by.purity:.3f} | {by.coverage:.3f}"
                counts = f"{found.people} | {recognizer} | {len(analysis.people)}"
                print(f"| {group} | {face_px} | {counts} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
