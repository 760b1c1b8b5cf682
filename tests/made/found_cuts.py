"""The cuts that the detector finds, in whichever batches it is given the frames."""

import numpy as np

from facetrack.media.frame_image import Frame, RgbImage
from facetrack.tracking.shots import ShotDetector
from made.shot_films import coarse_film


def found_cuts(images, times_s=None):
    """The frames that begin a shot; the same however the frames are batched."""
    times_s = np.arange(len(images)) / 25 if times_s is None else times_s
    pairs = enumerate(zip(images, times_s, strict=True))
    frames = [Frame(i, float(time_s), RgbImage(image)) for i, (image, time_s) in pairs]
    whole, one_by_one = ShotDetector(), ShotDetector()
    decisions = whole.push(frames) + whole.flush()
    assert len(decisions) == len(frames)
    single = [decision for frame in frames for decision in one_by_one.push([frame])]
    assert single + one_by_one.flush() == decisions
    return [i for i, decision in enumerate(decisions) if decision.starts_shot]


def cuts_of(film, tmp_path=None):
    """The cuts found in a film, which is encoded if a path is given."""
    if tmp_path is None:
        times_s = film.times_s or np.arange(len(film.images)) / 25
        return found_cuts([np.asarray(image) for image in film.images], times_s)
    film.write(tmp_path / "film.mp4")
    return found_cuts(*coarse_film(tmp_path / "film.mp4"))
