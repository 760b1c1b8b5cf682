"""The errors that facetrack raises on purpose, and the exit code of each.

    FacetrackError              exit code 1
    ├── ResourceError           1: memory or threads ran out
    ├── UsageError              2: a setting or an argument is wrong
    ├── InputError              3: a video (or an analysis folder) cannot be read
    ├── TargetError             4: the target is nobody in the video
    ├── ClipError               5: a clip could not be written
    ├── OutputError             5: the output folder is in use, or cannot be written
    └── WeightsError            2: a weight file is missing, damaged or of another format

Each message is one line: what is wrong, where, and what to do.
"""


class FacetrackError(Exception):
    """Base of all errors."""

    exit_code = 1
    """Exit code of the command line."""

    def __init__(self, message: str) -> None:
        """``message`` may hold a message of another library; its lines become one."""
        super().__init__(" ".join(message.splitlines()))


class ResourceError(FacetrackError):
    """The computer, or a limit set for the process, gives no more memory or threads."""


class UsageError(FacetrackError):
    """A setting or an argument is wrong, or needs a library or device that is missing."""

    exit_code = 2


class WeightsError(FacetrackError):
    """A weight file is missing, damaged or of another format."""

    exit_code = 2


class InputError(FacetrackError):
    """A video, or the folder of an analysis, cannot be read."""

    exit_code = 3


class TargetError(FacetrackError):
    """The target is nobody in the video."""

    exit_code = 4


class ClipError(FacetrackError):
    """A clip could not be written."""

    exit_code = 5


class OutputError(FacetrackError):
    """The output folder is in use by another process, or cannot be written."""

    exit_code = 5
