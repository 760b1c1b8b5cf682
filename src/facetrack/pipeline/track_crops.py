"""The face crops of a track: which are embedded, and which is shown."""

import io

import numpy as np
from PIL import Image as Pillow

from facetrack.recognition.face_crop import FaceCrop
from facetrack.tracking.tracks import Track

FIRST_CROPS = 5
"""Crops of a track that are embedded in any case, spread evenly over it."""
DIM, MAX_GAIN = 60.0, 5.0
"""Mean brightness (of 255) to which a darker thumbnail is brought, and the highest factor by which
it is brightened."""


def in_time(track: Track) -> list[FaceCrop]:
    """The track's crops in order of time."""
    return sorted(track.crops.values(), key=lambda crop: crop.frame)


def embedded_in_time(track: Track) -> list[FaceCrop]:
    """The track's crops that have an embedding, in order of time."""
    return [crop for crop in in_time(track) if crop.embedding is not None]


def first_crops(track: Track) -> list[FaceCrop]:
    """The crops of a track that are embedded in any case.

    ``FIRST_CROPS`` spread evenly over the track, and the best one of each part between its breaks.
    """
    crops = in_time(track)
    spread = np.linspace(0, len(crops) - 1, min(FIRST_CROPS, len(crops))).round().astype(int)
    wanted = {crops[i].frame for i in spread.tolist()}
    if track.breaks:
        best: dict[int, FaceCrop] = {}
        for (part, _), crop in track.crops.items():
            if part not in best or crop.pose > best[part].pose:
                best[part] = crop
        wanted |= {crop.frame for crop in best.values()}
    return [crop for crop in crops if crop.frame in wanted]


def thumbnail_jpeg(crop: FaceCrop) -> bytes:
    """The crop's thumbnail as JPEG, brightened if it is dark."""
    stream = io.BytesIO()
    shown = crop.thumbnail
    if (brightness := float(shown.mean())) < DIM:
        gain = min(DIM / max(brightness, 1.0), MAX_GAIN)
        shown = np.clip(shown * gain, 0, 255).astype(np.uint8)
    Pillow.fromarray(shown).save(stream, "JPEG", quality=92)
    return stream.getvalue()
