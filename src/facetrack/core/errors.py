"""Every error that facetrack raises on purpose.

    FacetrackError              exit code 1
    ├── UsageError              2: a setting or an argument makes no sense
    ├── InputError              3: a video (or an analysis folder) cannot be read
    ├── TargetError             4: nobody in the video answers to the target
    ├── ClipError               5: a clip could not be written
    └── WeightsError            2: a weight file is missing, damaged or of another kind

The message of each is one line that says what, where and what to do.
"""


class FacetrackError(Exception):
    """Base of all; ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        """``message`` may hold another library's, of several lines."""
        super().__init__(" ".join(message.splitlines()))


class UsageError(FacetrackError):
    """A setting or an argument makes no sense, or what it needs is not installed."""

    exit_code = 2


class WeightsError(FacetrackError):
    """A weight file is missing, damaged or of another kind."""

    exit_code = 2


class InputError(FacetrackError):
    """A video or an analysis' folder cannot be read."""

    exit_code = 3


class TargetError(FacetrackError):
    """Nobody in the video answers to the target."""

    exit_code = 4


class ClipError(FacetrackError):
    """A clip could not be written."""

    exit_code = 5
