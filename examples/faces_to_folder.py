"""Aligned face images of one person, from every tenth frame, as PNG files with a table.

    facetrack analyze talk.mp4 -o out && python examples/faces_to_folder.py out/talk 1 faces

``1`` is a person's number or name. The program decodes only the parts of the video that it needs.
"""

import csv
import sys
from pathlib import Path

from PIL import Image

import facetrack


def main(folder: str, number_or_name: str, out: str) -> None:
    analysis = facetrack.Analysis.load(folder)
    person = int(number_or_name) if number_or_name.isdecimal() else number_or_name
    Path(out).mkdir(parents=True, exist_ok=True)
    with (
        analysis.face_crops(224, person=person, every=10, align=True) as crops,
        Path(out, "faces.csv").open("w", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(["file", "frame", "time_s", "track"])
        for crop in crops:
            name = f"{crop.frame:06}.png"
            Image.fromarray(crop.image).save(Path(out, name))
            table.writerow([name, crop.frame, crop.time_s, crop.track])
    print(f"{len(crops) - crops.missing} faces of {analysis.person(person).name} in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
