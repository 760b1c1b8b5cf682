"""The batch size of the networks: it grows with the number of frames that wait."""

SMALLEST, LARGEST = 16, 512
"""Frames of a batch."""
MEMORY_SHARE = 0.25
"""Share of the available memory that one batch of frames may take."""


def calculate_optimal_batch_size(
    queued: int, frame_bytes: int, memory_bytes: int, smallest: int = SMALLEST
) -> int:
    """Number of frames of the next batch: ``smallest`` times a power of two, at most 512.

    Args:
        queued: frames that wait; the batch is the smallest one that takes them all.
        frame_bytes: memory of one frame.
        memory_bytes: memory for all frames in work.
        smallest: the least size; the batch waits until so many frames are there.
    """
    fitting = int(memory_bytes * MEMORY_SHARE) // max(1, frame_bytes)
    size = smallest
    while size < min(queued, LARGEST) and 2 * size <= fitting:
        size *= 2
    return size
