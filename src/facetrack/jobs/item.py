"""The unit of work of a worker."""

from dataclasses import dataclass
from pathlib import Path

from facetrack.core.settings import Settings
from facetrack.pipeline.chunk_plan import Chunk


@dataclass(frozen=True, eq=False)
class Item:
    """A chunk of a film, or the whole film: what one worker does at a time."""

    path: Path
    chunk: Chunk | None
    """None: the film is read from its start to its end."""
    settings: Settings

    @property
    def number(self) -> int:
        """Among the items of the film, from 0."""
        return 0 if self.chunk is None else self.chunk.number
