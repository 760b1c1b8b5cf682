"""How many seconds every two people are on screen together, as CSV: for a researcher.

    facetrack analyze debate.mp4 -o out && python examples/seen_together.py out/debate > pairs.csv

NumPy and Arrow alone; with pandas, ``analysis.to_pandas("faces")`` is where to begin.
"""

import csv
import sys

import numpy as np

import facetrack


def main(folder: str) -> None:
    analysis = facetrack.Analysis.load(folder)
    lasting_s = np.diff([*analysis.frame_times, analysis.info.duration_s])  # of each frame
    seen = np.zeros((len(lasting_s), len(analysis.people) + 1), bool)
    faces = analysis.table("faces")
    seen[faces["frame"].to_numpy() - analysis.first_frame, faces["person"].to_numpy()] = True
    seen = seen[:, 1:]  # column 0 is nobody known
    together_s = seen.T @ (seen * lasting_s[:, None])  # the diagonal: each one's own screen time
    table = csv.writer(sys.stdout)
    names = [person.name for person in analysis.people]
    table.writerow(["seconds together", *names])
    for name, row in zip(names, together_s, strict=True):
        table.writerow([name, *(f"{seconds:.2f}" for seconds in row)])


if __name__ == "__main__":
    main(*sys.argv[1:])
