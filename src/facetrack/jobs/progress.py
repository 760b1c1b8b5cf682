"""How far a film is, from how far its items are."""

from collections.abc import Callable
from dataclasses import dataclass

from facetrack.jobs.film import FilmInWork
from facetrack.jobs.item import Item
from facetrack.pipeline.analyze_chunk import ChunkProgress


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    frames: int
    """Frames whose faces were detected."""
    expected_frames: int | None
    """Frames of the whole run; None: not known."""
    faces: int
    tracks: int
    """Tracks begun; one that several chunks show counts in each."""
    people: int
    """Of the frames that were analysed one after the other from the first one on."""
    queued_frames: int
    """Decoded frames that wait for the detector."""


OnFilmProgress = Callable[[FilmInWork, Progress], None]


class FilmProgress:
    """Adds up what the items of a film have said last."""

    def __init__(self, film: FilmInWork) -> None:
        self.film = film
        self._said: dict[int, ChunkProgress] = {}

    def now(self, item: Item, said: ChunkProgress) -> Progress:
        """The film's progress, once an item has said how far it is."""
        self._said[item.number] = said
        every = self._said.values()
        of_first = self._said[0].people if 0 in self._said else 0
        return Progress(
            sum(one.frames for one in every),
            self.film.expected_frames,
            sum(one.faces for one in every),
            sum(one.tracks for one in every),
            max(self.film.people_so_far, of_first),
            said.queued_frames,
        )
