"""Upright clips with sound of one person, who is found by a photo: for a video editor.

    python examples/clips_of_one_person.py talk.mp4 ada.jpg clips-of-ada

Writes the analysis and the clips into the folder, and prints from where in the film each clip is.
A second run uses the stored analysis.
"""

import sys
from pathlib import Path

import facetrack


def main(video: str, photo: str, out: str) -> None:
    if Path(out, "timeline.json").exists():
        analysis = facetrack.Analysis.load(out)
    else:
        analysis = facetrack.analyze(video)
        analysis.save(out)
    wanted = facetrack.ClipSettings(target=(photo,), aspect="9:16", size=540, min_length_s=0.5)
    for clip in facetrack.render(analysis, out, wanted):
        for part in clip.segment.ranges:
            print(f"{part.start_s:8.2f} - {part.end_s:8.2f} s  {clip.error or clip.path}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except facetrack.FacetrackError as error:  # one line that says what to do
        sys.exit(str(error))
