"""COCO JSON of keypoints, with the fields that video variants of it add: ``videos``, ``track_id``.

An image is a frame, and its id is the frame's number in the source. No image files are written;
``frames/000123.jpg`` is the name that a file of the frame would have. Keypoints are the five
landmarks, all of them visible.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from facetrack.exports.person_ranges import person_names, printable
from facetrack.exports.tables import LANDMARKS
from facetrack.timeline import Analysis, boxes_of, landmarks_of

VISIBLE = 2
"""COCO's flag of a keypoint that is labelled and visible."""
FACE = 1
"""Id of the only category."""
VIDEO = 1
"""Id of the only video."""


class CocoExporter:
    """COCO JSON: one image per frame, one annotation per face."""

    name = "coco"
    suffix = ".coco.json"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes one JSON object."""
        with path.open("w", encoding="utf-8") as file:
            json.dump(_coco(analysis), file, ensure_ascii=False)


def _coco(analysis: Analysis) -> dict[str, Any]:
    info = analysis.info
    file_name = printable(info.path.name)
    size = {"width": info.width, "height": info.height}
    numbers = np.arange(len(analysis.frame_times)) + analysis.first_frame
    frames = zip(
        numbers.tolist(),
        analysis.frame_times.tolist(),
        analysis.sizes_at(numbers).tolist(),
        strict=True,
    )
    return {
        "info": {"description": f"Faces of {file_name}", "version": "facetrack"},
        "licenses": [],
        "videos": [{"id": VIDEO, "name": file_name, "fps": float(info.fps), **size}],
        "images": [
            {
                "id": frame,
                "file_name": f"frames/{frame:06}.jpg",
                "video_id": VIDEO,
                "frame_id": frame,
                "time_s": time_s,
                "width": width,
                "height": height,
            }
            for frame, time_s, (width, height) in frames
        ],
        "annotations": _annotations(analysis),
        "categories": [
            {
                "id": FACE,
                "name": "face",
                "supercategory": "person",
                "keypoints": list(LANDMARKS),
                "skeleton": [],
            }
        ],
    }


def _annotations(analysis: Analysis) -> list[dict[str, Any]]:
    """One annotation per face. Ids start at 1, because pycocotools takes 0 for no match."""
    faces, names = analysis.faces, person_names(analysis)
    boxes = boxes_of(faces).astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    points = landmarks_of(faces)
    visible = np.full((*points.shape[:2], 1), VISIBLE)
    keypoints = np.concatenate([points.astype(np.float64), visible], axis=2).reshape(
        len(boxes), 3 * len(LANDMARKS)
    )
    columns = ("frame", "track", "person", "score")
    rows = zip(
        *(faces[column].to_pylist() for column in columns),
        boxes.round(2).tolist(),
        keypoints.round(2).tolist(),
        strict=True,
    )
    return [
        {
            "id": i,
            "image_id": frame,
            "category_id": FACE,
            "video_id": VIDEO,
            "track_id": track,
            "person_id": person,
            "person": names.get(person),
            "bbox": box,
            "area": round(box[2] * box[3], 2),
            "iscrowd": 0,
            "num_keypoints": len(LANDMARKS),
            "keypoints": landmarks,
            "score": round(score, 6),
        }
        for i, (frame, track, person, score, box, landmarks) in enumerate(rows, start=1)
    ]
