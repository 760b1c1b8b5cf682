"""Finds the video of a result again, also after it and the result's folder were moved."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from facetrack.core.errors import InputError
from facetrack.core.types import VideoInfo
from facetrack.media.fingerprint import fingerprint

ABOVE = 4
"""Folders above the result's that are looked at, and parts of the stored path that are tried in
each: a project's ``films/day1/a.mp4`` is found from its ``out/a`` wherever the project lies."""


def located(info: VideoInfo, folder: Path, video: Path | None = None) -> VideoInfo:
    """The same facts with the path where the video is now.

    It is looked for at its stored path, then in the result's folder and the folders above, under
    its name and the last parts of its path. What lies there must have the stored fingerprint. A
    result of an older version has none: then its video is only taken from its stored path, or from
    ``video``. Where it is found nowhere, the path stays as it is.

    Args:
        info: as it is stored.
        folder: of the result.
        video: where the user says that the video is.

    Raises:
        InputError: when ``video`` is another video.
    """
    if video is not None:
        found = fingerprint(video)
        if found is None:
            raise InputError(f"{video}: no such video file")
        if info.fingerprint not in (None, found):
            raise InputError(
                f"{video} is not the video that was analysed in {folder}: its content is another"
            )
        return replace(info, path=video.absolute())
    if info.fingerprint is not None and fingerprint(info.path) != info.fingerprint:
        for place in _places(info.path, folder):
            if fingerprint(place) == info.fingerprint:
                return replace(info, path=place)
    return info


def _places(stored: Path, folder: Path) -> Iterator[Path]:
    here = folder.absolute()
    parts = [part for part in stored.parts if part != stored.anchor and part != ".."]
    for above in [here, *here.parents][: ABOVE + 1]:
        for count in range(1, min(ABOVE, len(parts)) + 1):
            yield above.joinpath(*parts[-count:])
