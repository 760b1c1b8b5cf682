"""Arrays of an ``npz`` file, whose sizes are checked before anything is unpacked."""

import io
import math
import zipfile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from facetrack.core.limits import check_limit

LARGEST_HEADER = 10_000
"""Bytes of the text that gives an array's type and shape."""


def arrays_of(data: bytes, what: str) -> dict[str, NDArray[np.generic]]:
    """The arrays of a file, by name; none that holds Python objects.

    Args:
        data: the file.
        what: its name, for messages.

    Raises:
        InputError: when the arrays take more bytes than ``limits.table_bytes``.
        ValueError, BadZipFile: when it is no such file.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        entries = packed.infolist()
        check_limit(what, "table_bytes", sum(entry.file_size for entry in entries))
        for entry in entries:
            with packed.open(entry) as file:
                major, _ = npy.read_magic(file)
                read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
                shape, _, dtype = read(file, max_header_size=LARGEST_HEADER)
                if dtype.hasobject or math.prod(shape) * dtype.itemsize > entry.file_size:
                    raise ValueError(
                        f"{entry.filename} holds Python objects"
                        if dtype.hasobject
                        else f"{entry.filename} is shorter than its shape {shape}"
                    )
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
