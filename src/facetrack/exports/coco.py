"""COCO JSON of keypoints, with the fields of its kin for video: ``videos``, ``track_id``.

An image is a frame, its id the frame's number in the source; ``frames/000123.jpg`` is what its
picture would be called. Keypoints are the five landmarks, all of them visible.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from facetrack.exports.appearances import names_of
from facetrack.exports.table import LANDMARKS
from facetrack.timeline import Analysis, boxes_of, landmarks_of

VISIBLE = 2
FACE = 1
"""The only category."""
VIDEO = 1


def write(analysis: Analysis, path: Path) -> None:
    """One JSON object."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(_coco(analysis), file, ensure_ascii=False)


def _coco(analysis: Analysis) -> dict[str, Any]:
    info = analysis.info
    size = {"width": info.width, "height": info.height}
    frames = enumerate(analysis.frame_times.tolist(), start=analysis.first_frame)
    return {
        "info": {"description": f"Faces of {info.path.name}", "version": "facetrack"},
        "licenses": [],
        "videos": [{"id": VIDEO, "name": info.path.name, "fps": float(info.fps), **size}],
        "images": [
            {
                "id": frame,
                "file_name": f"frames/{frame:06}.jpg",
                "video_id": VIDEO,
                "frame_id": frame,
                "time_s": time_s,
                **size,
            }
            for frame, time_s in frames
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
    """Ids from 1: pycocotools takes 0 for no match."""
    faces, names = analysis.faces, names_of(analysis)
    boxes = boxes_of(faces).astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    points = landmarks_of(faces)
    seen = np.full((*points.shape[:2], 1), VISIBLE)
    keypoints = np.concatenate([points.astype(np.float64), seen], axis=2).reshape(
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
