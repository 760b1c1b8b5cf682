"""The progress bar in the terminal, for the analysis and then for the clips."""

import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facetrack.cli.terminal import Terminal, visible
from facetrack.jobs.progress import Progress as Analysed


class ProgressView:
    """A bar with frames per second, time left, faces, people and queue depth.

    A context manager. Shows nothing when ``quiet``, or when the output is no terminal.
    """

    def __init__(self, videos: int, quiet: bool) -> None:
        """``videos``: number of videos of the command."""
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
        self._videos = videos
        self._begun_s: dict[str, float] = {}
        """When each video was seen first."""
        self._task = self._bar.add_task("analyse", total=1, facts="")

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

    def analysed(self, name: str, now: Analysed) -> None:
        """Shows the progress of the analysis of a video."""
        begun_s = self._begun_s.setdefault(name, time.monotonic())
        elapsed = max(time.monotonic() - begun_s, 1e-9)
        number = len(self._begun_s)
        of_all = f" ({number} of {self._videos} begun)" if self._videos > 1 else ""
        self._bar.update(
            self._task,
            description=f"analyse {visible(name)}{of_all}",
            total=max(now.expected_frames or 0, now.frames),
            completed=now.frames,
            facts=f"{now.frames / elapsed:.0f} frames/s  {now.faces} faces  "
            f"{now.people} people  {now.queued_frames} queued",
        )

    def start_clips(self, name: str, count: int) -> None:
        """Counts the clips of a video from now on, ``count`` in all."""
        self._bar.update(
            self._task,
            description=f"clips of {visible(name)}",
            total=max(count, 1),
            completed=0,
            facts="",
        )

    def clip_done(self) -> None:
        """Counts one more clip."""
        self._bar.advance(self._task)
