"""For how many seconds each two people are on screen at the same time, as CSV: for a researcher.

    facetrack analyze debate.mp4 -o out && python examples/seen_together.py out/debate > pairs.csv

This uses NumPy and Arrow only. With pandas, begin with ``analysis.to_pandas("faces")``.
"""

import csv
import sys

import numpy as np

import facetrack


def main(folder: str) -> None:
    analysis = facetrack.Analysis.load(folder)
    shown_s = np.diff([*analysis.frame_times, analysis.info.duration_s])  # of each frame
    on_screen = np.zeros((len(shown_s), len(analysis.people) + 1), bool)
    faces = analysis.table("faces")
    on_screen[faces["frame"].to_numpy() - analysis.first_frame, faces["person"].to_numpy()] = True
    on_screen = on_screen[:, 1:]  # column 0: faces without a person
    both_s = on_screen.T @ (on_screen * shown_s[:, None])  # diagonal: each person's screen time
    table = csv.writer(sys.stdout)
    names = [person.name for person in analysis.people]
    table.writerow(["seconds at the same time", *names])
    for name, row in zip(names, both_s, strict=True):
        table.writerow([name, *(f"{seconds:.2f}" for seconds in row)])


if __name__ == "__main__":
    main(*sys.argv[1:])
