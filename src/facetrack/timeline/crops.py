"""Square crops of faces, read from the video again in one pass.

Only the frames that are needed are decoded, and those that they depend on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from facetrack.core.closing import Closing
from facetrack.core.types import Float32, Image, VideoInfo
from facetrack.media.decode import upright
from facetrack.media.face_cut import Placement
from facetrack.media.frame_reader import FrameReader
from facetrack.recognition.face_square import aligned, around, on_square, square
from facetrack.timeline.faces import boxes_of, landmarks_of


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """One face of one frame as a square image."""

    image: Image
    """``(size, size, 3)`` uint8 RGB, upright; black outside the frame of the video."""
    frame: int
    """Number of the frame in the source, from 0."""
    time_s: float
    """Presentation time in seconds."""
    track: int
    person: int
    """0: unknown."""
    landmarks: Float32
    """``(5, 2)`` x y in pixels of ``image``."""

    def __repr__(self) -> str:
        person = f"person {self.person}" if self.person else "no person"
        side = len(self.image)
        return f"FaceCrop(frame {self.frame}, track {self.track}, {person}, {side}x{side})"


class FaceCrops(Closing):
    """An iterable of ``FaceCrop``, in order of frames, that decodes the video while it is read.

    It may be iterated several times, one pass after the other. It is a context manager that keeps
    the video open; ``close`` may be called twice. One decoded frame is in memory at a time.

    Raises:
        InputError: on opening, when the video is no longer where it was.
    """

    def __init__(
        self, video: VideoInfo, faces: pa.Table, size: int, margin: float, align: bool
    ) -> None:
        """``faces`` is ordered by frame; the rest as in ``Analysis.face_crops``."""
        self._faces = faces
        self._size, self._margin, self._align = size, margin, align
        self._pixel_aspect = video.pixel_aspect
        self.missing = 0
        """Faces that the last complete pass skipped because their frame could not be read again."""
        self._reader = FrameReader.open(video.path, video.streams, video.clock)
        self._open = True

    def close(self) -> None:
        """Closes the video."""
        self._open = False
        self._reader.close()

    def __len__(self) -> int:
        """Number of faces that were asked for."""
        return len(self._faces)

    def __iter__(self) -> Iterator[FaceCrop]:
        """Yields the crops in order of frames.

        Raises:
            ValueError: when the crops are closed.
        """
        if not self._open:
            raise ValueError("these crops are closed; iterate them inside the with block")
        faces = self._faces
        frames, times_s = faces["frame"].to_numpy(), faces["time_s"].to_numpy()
        tracks, people = faces["track"].to_numpy(), faces["person"].to_numpy()
        boxes, landmarks = boxes_of(faces), landmarks_of(faces)
        _, firsts, counts = np.unique(frames, return_index=True, return_counts=True)
        given = 0
        shown = self._reader.frames(frames[firsts], times_s[firsts])
        for first, count, (_, image, found) in zip(firsts, counts, shown, strict=False):
            if not found:  # the frame is another one, in which the face is elsewhere
                continue
            whole = upright(image)
            for row in range(first, first + count):
                place = self._placed(boxes[row], landmarks[row])
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

    def _placed(self, box: Float32, landmarks: Float32) -> Placement:
        """Where a crop lies: a square once the pixels of the video are shown square."""
        wider = np.array([float(self._pixel_aspect), 1.0], np.float32)
        if self._align:
            place = aligned(landmarks * wider, self._size)
        else:
            place = around(box * np.tile(wider, 2), self._size, self._margin)
        return place / wider[:, None]


def chosen_faces(faces: pa.Table, person: int | None, track: int | None, every: int) -> pa.Table:
    """Rows of a person or a track: of each track the first row, then every ``every``-th."""
    tracks = faces["track"].to_numpy()
    order = np.argsort(tracks, kind="stable")
    _, firsts, counts = np.unique(tracks[order], return_index=True, return_counts=True)
    place = np.empty(len(tracks), np.intp)  # position in its track, from 0
    place[order] = np.arange(len(tracks)) - np.repeat(firsts, counts)
    wanted = place % every == 0
    if person is not None:
        wanted &= faces["person"].to_numpy() == person
    if track is not None:
        wanted &= tracks == track
    return faces.filter(wanted)
