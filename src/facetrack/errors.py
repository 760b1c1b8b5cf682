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


class UsageError(FacetrackError):
    exit_code = 2


class WeightsError(FacetrackError):
    exit_code = 2


class InputError(FacetrackError):
    exit_code = 3


class TargetError(FacetrackError):
    exit_code = 4


class ClipError(FacetrackError):
    exit_code = 5
