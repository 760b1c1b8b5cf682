"""The films of one command: one that fails does not stop the others, and the end says which."""

import json
from pathlib import Path

from facetrack.cli.failures import described_of, show_traceback
from facetrack.cli.terminal import warn


class Batch:
    """Counts films, or folders; keeps the exit code of the first one that was not done whole."""

    def __init__(self, json: bool) -> None:
        """``json``: print a line of JSON for each that fails; those that are done have one."""
        self.code = 0
        self._json = json
        self._count = 0
        self._failed: list[Path] = []

    def done(self, code: int) -> None:
        """One was done; ``code`` is not 0 where something of it is missing."""
        self._count += 1
        self.code = self.code or code

    def failed(self, film: Path, error: Exception) -> None:
        """One could not be done; says why in one line.

        Raises:
            BrokenPipeError: the error itself: whoever reads the output has ended.
        """
        if isinstance(error, BrokenPipeError):
            raise error
        show_traceback(error)
        failure = described_of(film, error)
        warn(failure)
        if self._json:
            line = {"video": str(film), "error": str(failure), "exit_code": failure.exit_code}
            print(json.dumps(line), flush=True)
        self._failed.append(film)
        self.done(failure.exit_code)

    def close(self) -> int:
        """Says which of several failed; gives the exit code."""
        if self._failed and self._count > 1:
            names = ", ".join(str(film) for film in self._failed)
            warn(f"{self._count - len(self._failed)} of {self._count} done; failed: {names}")
        return self.code
