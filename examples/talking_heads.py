"""A data set of talking heads from a folder of videos, with one manifest: for training networks.

    python examples/talking_heads.py interviews data-set

Each clip shows one face at 25 frames/s and has a WAV file of 16 kHz. A video that cannot be read
does not stop the others.
"""

import json
import sys
from pathlib import Path

import facetrack
from facetrack.pipeline.engine import open_engine


def main(videos: str, out: str) -> None:
    settings = facetrack.Settings()
    wanted = facetrack.ClipSettings(preset="talking-head", size=256)
    engine = open_engine(settings.detection, settings.identity)  # opened once for all videos
    lines = []
    for video in sorted(Path(videos).glob("*.mp4")):
        try:
            analysis = facetrack.analyze(video, settings, engine=engine)
            facetrack.render(analysis, Path(out, video.stem), wanted)
        except facetrack.FacetrackError as error:
            print(error, file=sys.stderr)
            continue
        for line in Path(out, video.stem, "clips", "manifest.jsonl").read_text().splitlines():
            lines.append(json.dumps({"folder": video.stem, **json.loads(line)}))
    Path(out, "manifest.jsonl").write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} clips in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
