"""How many frames go through the networks together: as the queue fills, so the batches grow."""

SMALLEST, LARGEST = 16, 512
MEMORY_SHARE = 0.25
"""Of the memory at hand, what one batch of frames may take."""


def calculate_optimal_batch_size(
    queued: int, frame_bytes: int, memory_bytes: int, smallest: int = SMALLEST
) -> int:
    """Frames of the next batch, ``smallest`` times a power of two up to 512.

    Args:
        queued: frames that wait; a batch takes no more than what is there, rounded up.
        frame_bytes: memory that a frame of the batch takes.
        memory_bytes: memory at hand for frames in work.
        smallest: a batch is waited for until it is as large.
    """
    fitting = int(memory_bytes * MEMORY_SHARE) // max(1, frame_bytes)
    size = smallest
    while size < min(queued, LARGEST) and 2 * size <= fitting:
        size *= 2
    return size
