"""Blocks of coarse frames, and how much of the frame a change covers.

All sums are integers, so a frame gives the same numbers in any batch.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.media.frame_image import COARSE

BLOCK = (2, 4)
"""Rows and columns of samples in a block: enough samples to average noise and the grain of point
samples, few enough rows that two lines of subtitles are less high than a face."""
ROWS, COLUMNS = COARSE[0] // BLOCK[0], COARSE[1] // BLOCK[1]
SAMPLES = 3 * BLOCK[0] * BLOCK[1]
"""Values of a block, all colours."""

Blocks = NDArray[np.int16]
"""``(..., 3, ROWS, COLUMNS)``: sums of the samples of each block, RGB."""


def blocks_of(coarse: NDArray[np.uint8]) -> Blocks:
    """``(n, 36 * 64 * 3)`` coarse frames to ``(n, 3, ROWS, COLUMNS)`` blocks."""
    rows = coarse.reshape(-1, ROWS, 2, COARSE[1] * 3)
    pairs = np.add(rows[:, :, 0], rows[:, :, 1], dtype=np.int16)
    # Colour by colour from here on: sums over a last axis of three would take twice as long.
    colours = np.ascontiguousarray(pairs.reshape(-1, ROWS * COARSE[1], 3).transpose(0, 2, 1))
    halves = colours.reshape(-1, 3, ROWS, COLUMNS * 2, 2)
    quarters = (halves[..., 0] + halves[..., 1]).reshape(-1, 3, ROWS, COLUMNS, 2)
    blocks: Blocks = quarters[..., 0] + quarters[..., 1]
    return blocks


def contrasts(blocks: Blocks) -> list[float]:
    """Standard deviation of the brightness of the blocks (of 255) of each frame."""
    count = ROWS * COLUMNS
    values = blocks.sum(axis=1, dtype=np.int32).reshape(len(blocks), count)
    sums = values.sum(axis=1, dtype=np.int64)
    variance = count * np.einsum("ni,ni->n", values, values, dtype=np.int64) - sums**2
    found: list[float] = (np.sqrt(variance) / (count * SAMPLES)).tolist()
    return found


def reach(before: Blocks, after: Blocks, extent: tuple[int, int]) -> NDArray[np.float64]:
    """The change (of 255) that at least ``extent[0]`` rows have in ``extent[1]`` blocks each.

    For each row the mean change of its ``extent[1]`` most changed blocks is taken. The result is
    the least of the ``extent[0]`` highest of these. So a change of fewer rows does not count.
    """
    return _reach(_ranked(before, after), extent)


def reaches(
    before: Blocks, after: Blocks, extents: Sequence[tuple[int, int]]
) -> list[NDArray[np.float64]]:
    """``reach`` for each extent, in little more time than for one."""
    ranked = _ranked(before, after)
    return [_reach(ranked, extent) for extent in extents]


def solid_reach(before: Blocks, after: Blocks, extent: tuple[int, int]) -> float:
    """As ``reach``, but no block counts more than twice the least changed of its row's.

    So a change of fewer columns counts little, however strong it is.
    """
    most = _ranked(before, after)[..., COLUMNS - extent[1] :]
    return float(_over_rows(np.minimum(most, 2 * most[..., :1]), extent))


def least_reach(
    before: Sequence[Blocks], after: Sequence[Blocks], extent: tuple[int, int]
) -> float:
    """The least ``reach`` of all pairs of a frame before and a frame after."""
    return float(reach(np.stack(before)[:, None], np.stack(after)[None], extent).min())


def _ranked(before: Blocks, after: Blocks) -> Blocks:
    """``(..., ROWS, COLUMNS)``: the change of each block, ascending in each row."""
    changes: Blocks = np.abs(after - before).sum(axis=-3, dtype=np.int16)
    changes.sort(axis=-1)
    return changes


def _reach(ranked: Blocks, extent: tuple[int, int]) -> NDArray[np.float64]:
    return _over_rows(ranked[..., COLUMNS - extent[1] :], extent)


def _over_rows(most: Blocks, extent: tuple[int, int]) -> NDArray[np.float64]:
    """The last step of ``reach``, from ``(..., ROWS, extent[1])`` changes."""
    rows, columns = extent
    sums = most.sum(axis=-1, dtype=np.int32)
    changed: NDArray[np.float64] = np.partition(sums, ROWS - rows, axis=-1)[..., ROWS - rows]
    return changed / (columns * SAMPLES)
