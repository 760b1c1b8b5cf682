"""Seeded damage: of bytes, of nested values, and of tables. The same seed gives the same damage."""

import copy
import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Values at which sizes, counts and signs turn over."""
LONGEST_INSERT = 4096
DEPTH = 100_000
"""Nesting that no recursive parser stands."""
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e12, 1e308, -1e308,
    float("nan"), float("inf"), float("-inf"), "", " ", "0", "a" * 5000, "\0", "\n", "\x1b[2J",
    "../canary", "../../canary", "/no/such/place", "C:\\canary", "0/1", "1/0", "30000/1001",
    "\ud800", "nan", [], {}, [[]], [None], [1, "a", None], {"": {}}, {"a": [1]}, [0] * 1000,
)  # fmt: skip


def damaged_bytes(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three kinds of damage."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = chance.choice(BYTE_DAMAGES)(bytearray(data), chance)
    return bytes(data)


def damaged_value(value: Any, chance: random.Random) -> Any:
    """A nested value, as JSON and TOML hold it, with one to three odd parts."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return chance.choice(ODD_VALUES)
        inside, key = chance.choice(places)
        what = chance.random()
        if what < 0.7:
            inside[key] = copy.deepcopy(chance.choice(ODD_VALUES))
        elif what < 0.85:
            del inside[key]
        elif isinstance(inside, list):
            inside.insert(key, copy.deepcopy(chance.choice(inside)))
        else:
            other, name = chance.choice(places)
            inside[key] = copy.deepcopy(other[name])
    return value


def deep_json(chance: random.Random) -> str:
    """JSON that is nested deeper than a parser's stack."""
    opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
    return opening * DEPTH + "1" + closing * DEPTH


def damaged_table(table: pa.Table, chance: random.Random) -> pa.Table:
    """A table that is still a table: another type, missing or odd values, rows or columns."""
    at = chance.randrange(table.num_columns)
    name, column = table.column_names[at], table.column(at)
    length = len(column)
    row = chance.randrange(max(length, 1))
    match chance.randrange(8):
        case 0:
            return table.drop_columns([name])
        case 1:
            return table.set_column(at, name, pa.array([chance.choice(("x", "", None))] * length))
        case 2:
            values = column.to_pylist()
            if values:
                values[row] = None
            return table.set_column(at, name, pa.array(values, column.type))
        case 3 if pa.types.is_floating(column.type):
            values = column.to_pylist()
            if values:
                values[row] = chance.choice((float("nan"), float("inf"), -1e30, 1e300, 1e12))
            return table.set_column(at, name, pa.array(values, column.type, safe=False))
        case 4 if pa.types.is_integer(column.type):
            values = column.to_pylist()
            if values:
                values[row] = chance.choice((-1, 0, 2**31 - 1, -(2**31), values[0]))
            return table.set_column(at, name, pa.array(values, column.type))
        case 5:
            return table.slice(row, chance.randrange(length + 1))
        case 6:
            return pa.concat_tables([table, table.slice(row, 3)])
        case _:
            order = list(range(length))
            chance.shuffle(order)
            return table.take(pa.array(order, pa.int64()))


def damaged_npz(arrays: dict[str, np.ndarray], chance: random.Random) -> bytes:
    """The arrays with one of another name, type or shape, or an object that would be unpickled."""
    arrays = dict(arrays)
    name = chance.choice(list(arrays)) if arrays else "1"
    array = arrays.get(name, np.zeros(3, np.float32))
    odd = chance.choice((
        array.astype(np.float64), array[:-1], array * np.nan, array[None], np.array([], np.float32),
        np.array(["text"]), np.array([object()], object), np.array(1.0, np.float32),
        array.astype(complex), np.zeros(len(array), [("a", "<f4"), ("b", "<i2")]),
    ))  # fmt: skip
    arrays[chance.choice((name, name, "", "x", "-1", "99999999999999999999", "../a"))] = odd
    file = io.BytesIO()
    if odd.dtype == object:
        odd = np.array([1], object)  # that can be pickled
        arrays[name] = odd
        arrays = {key: value for key, value in arrays.items() if value.dtype != object}
        arrays[name] = odd
    np.savez(file, **{key or "empty": value for key, value in arrays.items()})
    return file.getvalue()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every list or table inside the value with every key of it."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        inside = waiting.pop()
        if isinstance(inside, dict):
            keys: list[Any] = list(inside)
        elif isinstance(inside, list):
            keys = list(range(len(inside)))
        else:
            continue
        found += [(inside, key) for key in keys]
        waiting += [inside[key] for key in keys]
    return found


def _span(data: bytearray, chance: random.Random, longest: int = 1 << 16) -> slice:
    start = chance.randrange(len(data) + 1)
    return slice(start, min(len(data), start + chance.randint(1, longest)))


def _flip(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 10, 200)) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _flip_head(data: bytearray, chance: random.Random) -> bytearray:
    """Damage of the header, where most decisions are made."""
    for _ in range(chance.choice((1, 4, 16)) if data else 0):
        data[chance.randrange(min(len(data), 1024))] = chance.randrange(256)
    return data


def _integers(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 3, 10))):
        size = chance.choice((1, 2, 4, 8))
        if len(data) >= size:
            at = chance.randrange(len(data) - size + 1)
            value = chance.choice(INTEGERS) & ((1 << 8 * size) - 1)
            data[at : at + size] = value.to_bytes(size, chance.choice(("big", "little")))
    return data


def _cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(len(data) + 1)]


def _behead(data: bytearray, chance: random.Random) -> bytearray:
    return data[chance.randrange(min(len(data), 4096) + 1) :]


def _remove(data: bytearray, chance: random.Random) -> bytearray:
    del data[_span(data, chance)]
    return data


def _repeat(data: bytearray, chance: random.Random) -> bytearray:
    piece = data[_span(data, chance)]
    at = chance.randrange(len(data) + 1)
    return data[:at] + piece + data[at:]


def _insert(data: bytearray, chance: random.Random) -> bytearray:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randint(1, LONGEST_INSERT)) + data[at:]


def _zero(data: bytearray, chance: random.Random) -> bytearray:
    span = _span(data, chance)
    data[span] = bytes(span.stop - span.start)
    return data


BYTE_DAMAGES: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    _flip, _flip, _flip_head, _integers, _integers, _cut, _behead, _remove, _repeat, _insert, _zero,
)  # fmt: skip
