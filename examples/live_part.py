"""Analyses ten seconds of a film and shows the progress: a script, or the cells of a notebook.

    python examples/live_part.py film.mp4 60

Editors and Jupyter (with jupytext) show the parts between ``# %%`` as cells.
"""

# %% Which part
import sys
from dataclasses import replace
from math import ceil

import facetrack

video, start_s = sys.argv[1], float(sys.argv[2])
settings = facetrack.Settings()
settings = replace(settings, decode=replace(settings.decode, start_s=start_s, duration_s=10.0))


# %% Analyse it
def show(progress) -> None:
    of = f" of {progress.expected_frames}" if progress.expected_frames else ""
    print(f"{progress.frames}{of} frames, {progress.people} people so far", file=sys.stderr)


analysis = facetrack.analyze(video, settings, on_progress=show)

# %% Print who is on screen in each second
for second in range(ceil(start_s), ceil(analysis.info.duration_s)):
    names = [person.name for person in analysis.on_screen(second)]
    print(f"{second:5} s  {', '.join(names) or '-'}")
