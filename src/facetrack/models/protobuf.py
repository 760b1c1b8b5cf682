"""The wire format of protocol buffers, and the arrays of a frozen TensorFlow graph.

ONNX and TensorFlow files are protocol buffers. This module implements the wire format and the few
field numbers that lead to the weights (TensorFlow: GraphDef.node 1, NodeDef.attr 5,
AttrValue.tensor 8, TensorProto).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Field = tuple[int, int | bytes]

FLOAT = 1
"""The number of the type float32 in both formats."""


def tensorflow_arrays(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Constants of a frozen TensorFlow graph, by node name."""
    arrays = {}
    for node in messages(data, 1):
        for entry in messages(node, 5):
            for value in messages(entry, 2):
                for tensor in messages(value, 8):
                    if (array := _tensorflow_tensor(tensor)) is not None:
                        arrays[next(messages(node, 1)).decode()] = array
    return arrays


def _tensorflow_tensor(tensor: bytes) -> NDArray[np.float32] | None:
    fields = list(fields_of(tensor))
    if dict(fields).get(1) != FLOAT:
        return None
    shape = [dict(fields_of(d)).get(1, 0) for s in messages(tensor, 2) for d in messages(s, 2)]
    raw = b"".join(v for n, v in fields if n in (4, 5) and isinstance(v, bytes))
    values = np.frombuffer(raw, "<f4")
    dims = [int(d) for d in shape]
    # A single stored value means an array that is filled with it.
    if values.size == 1:
        return np.full(dims, values[0], np.float32)
    return values.reshape(dims)


def messages(message: bytes, number: int) -> Iterator[bytes]:
    """The values of every field of this number that holds bytes."""
    for n, value in fields_of(message):
        if n == number and isinstance(value, bytes):
            yield value


def fields_of(message: bytes) -> Iterator[Field]:
    """Field number and value of each field: an integer for varints, else the bytes.

    Raises:
        ValueError: when the bytes are no protocol buffer.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} is none of protocol buffers'")
        if at + size > len(message):
            raise ValueError("the file ends inside a field")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def field(number: int, value: int | bytes) -> bytes:
    """One field in the wire format: a varint, or bytes with their length."""
    if isinstance(value, int):
        return _written_varint(number << 3) + _written_varint(value)
    return _written_varint(number << 3 | 2) + _written_varint(len(value)) + value


def _written_varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def integers(values: list[int | bytes]) -> list[int]:
    """The values of a repeated integer field, packed or one by one."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            found.append(number)
    return found
