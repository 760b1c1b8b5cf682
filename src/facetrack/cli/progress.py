"""The progress bar in the terminal, for the analysis and then for the clips."""

from types import TracebackType

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facetrack.cli.terminal import Terminal, visible
from facetrack.pipeline.face_analyzer import Progress as Analysed


class ProgressView:
    """A bar with frames per second, time left, faces, people and queue depth.

    A context manager. Shows nothing when ``quiet``, or when the output is no terminal.
    """

    def __init__(self, name: str, quiet: bool) -> None:
        console = Terminal(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._name = visible(name)
        self._task = self._bar.add_task(f"analyse {self._name}", total=1, facts="")

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
        """Shows the progress of the analysis."""
        elapsed = self._bar.tasks[self._task].elapsed or 1e-9
        self._bar.update(
            self._task,
            total=max(now.expected_frames or 0, now.frames),
            completed=now.frames,
            facts=f"{now.frames / elapsed:.0f} frames/s  {now.faces} faces  "
            f"{now.people} people  {now.queued_frames} queued",
        )

    def start_clips(self, count: int) -> None:
        """Counts clips from now on, ``count`` in all."""
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(f"clips of {self._name}", total=max(count, 1), facts="")

    def clip_done(self) -> None:
        """Counts one more clip."""
        self._bar.advance(self._task)
