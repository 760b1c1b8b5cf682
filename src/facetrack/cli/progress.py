"""What the terminal shows while a video is analysed and its clips are made."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facetrack.pipeline.face_analyzer import Progress as Analysed


class ProgressView:
    """A bar with frames a second, time left, faces, people and queue depth.

    Shows nothing when the terminal is none. A context manager.
    """

    def __init__(self, name: str, quiet: bool) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._name = name
        self._task = self._bar.add_task(f"analyse {name}", total=1, facts="")

    def __enter__(self) -> "ProgressView":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def analysed(self, now: Analysed) -> None:
        """Shows how far the analysis is."""
        elapsed = self._bar.tasks[self._task].elapsed or 1e-9
        self._bar.update(
            self._task,
            total=max(now.expected_frames or 0, now.frames),
            completed=now.frames,
            facts=f"{now.frames / elapsed:.0f} frames/s  {now.faces} faces  "
            f"{now.people} people  {now.queued_frames} queued",
        )

    def start_clips(self, count: int) -> None:
        """From now on clips are counted."""
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(f"clips of {self._name}", total=max(count, 1), facts="")

    def clip_done(self) -> None:
        """One more."""
        self._bar.advance(self._task)
