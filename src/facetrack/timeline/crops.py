"""Faces cut out of the source again: one pass over it, decoding little else than what is shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from facetrack.core.types import Float32, Image
from facetrack.media.decode import upright
from facetrack.media.frame_reader import FrameReader
from facetrack.recognition.face_square import aligned, around, on_square, square
from facetrack.timeline.faces import boxes_of, landmarks_of


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """One face of one frame as a square picture."""

    image: Image
    """``(size, size, 3)`` uint8 RGB, upright; black where it lies outside the video's picture."""
    frame: int
    """Counts from 0 in the source."""
    time_s: float
    """Presentation time in seconds."""
    track: int
    person: int
    """0: nobody known."""
    landmarks: Float32
    """``(5, 2)`` x y in pixels of ``image``."""

    def __repr__(self) -> str:
        who = f"person {self.person}" if self.person else "nobody"
        side = len(self.image)
        return f"FaceCrop(frame {self.frame}, track {self.track}, {who}, {side}x{side})"


class FaceCrops:
    """The faces of rows of ``FACE_COLUMNS``, in order of frames, made while they are gone through.

    They may be gone through again, after one pass another. A context manager that holds the video
    open; ``close`` may be called twice. In memory is one frame of the video at a time.

    Raises:
        InputError: on opening, when the video is no longer where it was.
    """

    def __init__(self, video: Path, faces: pa.Table, size: int, margin: float, align: bool) -> None:
        """``faces``: ordered by frame; the rest as in ``Analysis.face_crops``."""
        self._faces = faces
        self._size, self._margin, self._align = size, margin, align
        self.missing = 0
        """Faces that the last whole pass left out, for their frame could not be read again."""
        self._reader = FrameReader.open(video)
        self._open = True

    def __enter__(self) -> "FaceCrops":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the video go."""
        self._open = False
        self._reader.close()

    def __len__(self) -> int:
        """How many faces were asked for."""
        return len(self._faces)

    def __iter__(self) -> Iterator[FaceCrop]:
        """Decodes as it goes.

        Raises:
            ValueError: when it is closed.
        """
        if not self._open:
            raise ValueError("these crops are closed; go through them inside the with block")
        faces = self._faces
        frames, times_s = faces["frame"].to_numpy(), faces["time_s"].to_numpy()
        tracks, people = faces["track"].to_numpy(), faces["person"].to_numpy()
        boxes, landmarks = boxes_of(faces), landmarks_of(faces)
        _, firsts, counts = np.unique(frames, return_index=True, return_counts=True)
        given = 0
        shown = self._reader.frames_at(times_s[firsts])
        for first, count, (_, image, found) in zip(firsts, counts, shown, strict=False):
            if not found:  # another frame stands in for it, in which the face is elsewhere
                continue
            whole = upright(image)
            for row in range(first, first + count):
                place = (
                    aligned(landmarks[row], self._size)
                    if self._align
                    else around(boxes[row], self._size, self._margin)
                )
                given += 1
                yield FaceCrop(
                    square(whole, place, self._size),
                    int(frames[row]),
                    float(times_s[row]),
                    int(tracks[row]),
                    int(people[row]),
                    on_square(landmarks[row], place),
                )
        self.missing = len(faces) - given


def chosen_faces(faces: pa.Table, person: int | None, track: int | None, every: int) -> pa.Table:
    """Rows of somebody or of a track, of each track the first and then every so many-th."""
    tracks = faces["track"].to_numpy()
    order = np.argsort(tracks, kind="stable")
    _, firsts, counts = np.unique(tracks[order], return_index=True, return_counts=True)
    place = np.empty(len(tracks), np.intp)  # in its track, from 0
    place[order] = np.arange(len(tracks)) - np.repeat(firsts, counts)
    wanted = place % every == 0
    if person is not None:
        wanted &= faces["person"].to_numpy() == person
    if track is not None:
        wanted &= tracks == track
    return faces.filter(wanted)
