"""Compares ways to smooth the path of a crop, on the faces of analysed videos.

    PYTHONPATH=benchmarks python -m facetrack_bench.smoothers FOLDER...

Each ``FOLDER`` was made by ``facetrack analyze``. All smoothers get the same wanted path (without
outliers and gaps) of each person in each shot that shows them for a second or more.

- Jitter is the mean length of the path's second difference. It measures how much a clip shakes.
- The centring error is the mean distance between the crop's centre and the wanted centre.
- A path stands still where it moves by less than 0.02 % of the crop's side per frame.

Both distances are in percent of the crop's side; jitter is also given in pixels of the source.
"""

import json
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import savgol_filter

from facetrack.clips.camera.crop_path import MAX_SPEED, SIGMA_S, TOLERANCE, wanted_path
from facetrack.clips.camera.framing import ZOOMS, Framing, anchors
from facetrack.clips.camera.layout import faces_of
from facetrack.clips.camera.smoothing import smoothed
from facetrack.timeline import Analysis

Float64 = NDArray[np.float64]
Smoother = Callable[[Float64, Float64, float], Float64]
"""Takes times in seconds, values in pixels and the crop's side in pixels; returns values."""

LEAST_S = 1.0
STILL = 0.0002


def taut_string(tolerance: float, sigma_s: float) -> Smoother:
    """The smoother of facetrack's clips.

    Args:
        tolerance: largest distance from the wanted path, as a part of the crop's side.
        sigma_s: standard deviation of the Gaussian in seconds.
    """

    def smooth(times_s: Float64, values: Float64, side: float) -> Float64:
        sides = np.full(len(values), side)
        return smoothed(times_s, values, tolerance * sides, MAX_SPEED * sides, sigma_s)

    return smooth


def median_and_gaussian(sigma_s: float) -> Smoother:
    """A median over seven frames, then a Gaussian with a deviation of ``sigma_s`` seconds."""

    def smooth(times_s: Float64, values: Float64, side: float) -> Float64:
        steady = median_filter(values, size=7, mode="nearest")
        sigma = sigma_s / float(np.median(np.diff(times_s)))
        return np.asarray(gaussian_filter1d(steady, sigma, mode="nearest"))

    return smooth


def savitzky_golay(window_s: float) -> Smoother:
    """A parabola through each window of ``window_s`` seconds (Savitzky and Golay, 1964)."""

    def smooth(times_s: Float64, values: Float64, side: float) -> Float64:
        half = round(window_s / 2 / float(np.median(np.diff(times_s))))
        return np.asarray(savgol_filter(values, min(2 * half, len(values) - 2) // 2 * 2 + 1, 2))

    return smooth


SMOOTHERS: dict[str, Smoother] = {
    "none": lambda times_s, values, side: values,
    "median, Gaussian 0.25 s": median_and_gaussian(0.25),
    "median, Gaussian 0.5 s": median_and_gaussian(0.5),
    "Savitzky-Golay 1 s": savitzky_golay(1.0),
    "Savitzky-Golay 2 s": savitzky_golay(2.0),
    "taut string 3 %, 0.3 s": taut_string(0.03, 0.3),
    "taut string 7 %, 0.3 s": taut_string(0.07, 0.3),
    f"taut string {TOLERANCE * 100:.0f} %, {SIGMA_S} s (ours)": taut_string(TOLERANCE, SIGMA_S),
}


def compare(analysis: Analysis, zoom: str) -> dict[str, dict[str, float]]:
    """Mean ``FIGURES`` of each smoother over all frames of an analysis, at one of the ``ZOOMS``."""
    found: dict[str, list[Float64]] = {name: [] for name in SMOOTHERS}
    for times_s, wanted, side in _paths(analysis, zoom):
        for name, smooth in SMOOTHERS.items():
            path = np.stack([smooth(times_s, column, side) for column in wanted.T], axis=1)
            found[name].append(_figures(path, wanted, side))
    means = {name: np.concatenate(rows).mean(axis=0) for name, rows in found.items() if rows}
    return {name: dict(zip(FIGURES, map(float, row), strict=True)) for name, row in means.items()}


FIGURES = ("jitter_percent", "jitter_px", "error_percent", "still_percent")


def _figures(path: Float64, wanted: Float64, side: float) -> Float64:
    """``(n - 2, 4)`` the ``FIGURES`` of each frame but the first and last."""
    jitter = np.hypot(*np.diff(path, 2, axis=0).T)
    error = np.hypot(*(path - wanted).T)[1:-1]
    still = np.hypot(*np.diff(path, axis=0).T)[1:] < STILL * side
    columns = [100 * jitter / side, jitter, 100 * error / side, 100.0 * still]
    return np.stack(columns, axis=1)


def _paths(analysis: Analysis, zoom: str) -> Iterator[tuple[Float64, Float64, float]]:
    """Yields times, wanted centres ``(n, 2)`` and the crop's side, for each person and shot."""
    image = (analysis.info.width, analysis.info.height)
    for shot in analysis.shots:
        for person in analysis.people:
            frames = np.arange(shot.start_frame, shot.end_frame, dtype=np.int32)
            faces = faces_of(analysis, [person.id], frames)
            times_s = analysis.frame_times[frames - analysis.first_frame]
            if not len(faces.at):
                continue
            at = slice(faces.at[0], faces.at[-1] + 1)
            if times_s[at][-1] - times_s[at][0] < LEAST_S:
                continue
            points = anchors(faces.boxes, faces.landmarks)
            framing = Framing(Fraction(1), zoom)
            path = wanted_path(times_s[at], times_s[faces.at], points, image, framing)
            half = path[0, 2] / 2
            limits = np.array(image) - half
            yield times_s[at], np.clip(path[:, :2], half, limits), 2 * half


def main(folders: list[str]) -> None:
    """Prints a table for each zoom, and all figures as JSON."""
    results = {
        zoom: {Path(f).name: compare(Analysis.load(Path(f)), zoom) for f in folders}
        for zoom in ZOOMS
    }
    console = Console()
    for zoom, videos in results.items():
        table = Table(title=f"zoom {zoom}: jitter in % of the side (px), error in %, still in %")
        table.add_column("smoother")
        shown = {video: figures for video, figures in videos.items() if figures}
        for video in shown:
            table.add_column(video)
        for name in SMOOTHERS:
            cells = [
                "{jitter_percent:.3f} ({jitter_px:.3f})  {error_percent:.1f}  "
                "{still_percent:.0f}".format(**figures[name])
                for figures in shown.values()
            ]
            table.add_row(name, *cells)
        console.print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1:])
