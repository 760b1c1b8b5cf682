"""Whether a file is the video that was analysed: its size, and a hash of parts of it.

Reading a whole film takes minutes; so the first and last 64 KiB are hashed, and 14 samples of
4 KiB between them. Containers keep their tables at one of the ends, so another cut, encoding or tag
of a film has another fingerprint.
"""

import hashlib
import os
import stat
from pathlib import Path

from facetrack.core.types import VideoInfo

ENDS = 64 << 10
"""Bytes hashed at either end."""
SAMPLES, SAMPLE = 14, 4 << 10
"""Number of samples between the ends, and bytes of each."""


def fingerprint(path: Path) -> str | None:
    """``SIZE-HASH`` of a file; None where it is no regular file or cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a FIFO would wait for a writer
            return None
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256()
            for at, length in _parts(size):
                file.seek(at)
                digest.update(file.read(length))
    except OSError:
        return None
    return f"{size}-{digest.hexdigest()}"


def changed_since(info: VideoInfo) -> bool:
    """Whether another file lies where the video was; False where none does, or nothing is known."""
    return info.fingerprint is not None and fingerprint(info.path) not in (None, info.fingerprint)


def _parts(size: int) -> list[tuple[int, int]]:
    """Position and length of what is hashed."""
    if size <= 2 * ENDS + SAMPLES * SAMPLE:
        return [(0, size)]
    step = (size - 2 * ENDS) // (SAMPLES + 1)
    between = [(ENDS + step * i, SAMPLE) for i in range(1, SAMPLES + 1)]
    return [(0, ENDS), *between, (size - ENDS, ENDS)]
