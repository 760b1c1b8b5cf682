"""Converts values from users and files to the type that they must have, and checks them.

A type says all rules: ``Annotated[int, Meta(ge=0)]``, ``Literal["cpu", "cuda"]``, ``Path | None``,
or a dataclass of such fields. The conversion is strict: ``"2"`` is not a number, ``1`` is not true.
The error message names the path of the wrong value, the value, and what it must be.
"""

import os
import re
from dataclasses import is_dataclass
from fractions import Fraction
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T")

WHERE = re.compile(r" - at `\$(.*)`$")
"""The path at the end of a message of msgspec: ``Expected `int` - at `$.people[1].id```."""
STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
"""One step of the path; msgspec writes ``[...]`` for some key of a table."""
MISSING = re.compile(r"missing required field `(\w+)`")
LONGEST_S = 10_000_000.0
Seconds = Annotated[float, msgspec.Meta(ge=-LONGEST_S, le=LONGEST_S)]
"""A time of a video: finite, which a plain ``float`` need not be, and of 115 days at most."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Size = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""A finite quantity that is not negative."""
NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    Fraction: "a fraction above 0, as 30000/1001",
    list: "a list",
    dict: "a table",
}
"""Names of types in messages."""


class SchemaError(ValueError):
    """A value is of the wrong type or out of its bounds; the message names it."""


def converted(value: object, kind: type[T], path: str) -> T:
    """Returns the value as ``kind``, a type as described at the top of this module.

    Whole numbers become floats where floats are wanted, texts become paths and fractions, lists
    become tuples, tables become dataclasses. Keys of a table that its dataclass does not know are
    ignored: a newer version may have written them.

    Args:
        path: what messages call the value, as ``tracking.max_gap``; may be empty.

    Raises:
        SchemaError: when a part of the value is of another type, out of its bounds, or missing.
    """
    try:
        return msgspec.convert(_plain(value), kind, dec_hook=_from_text)
    except msgspec.ValidationError as error:
        raise SchemaError(_message(str(error), value, kind, path)) from error


def wanted(kind: Any, with_type: bool = True) -> str:
    """What a value of this type must be, to follow *it must be* in a message.

    Args:
        with_type: say the type of a value that has bounds too: "a whole number, 0 or more".
    """
    if get_origin(kind) is Annotated:
        kind, *extra = get_args(kind)
        bounds = [text for meta in extra if (text := _bounds(meta))]
        return ", ".join([wanted(kind)] * (with_type or not bounds) + bounds)
    if get_origin(kind) in (Union, UnionType):
        return wanted(_without_extras(kind, keep_bounds=True), with_type)
    if get_origin(kind) is Literal:
        *most, last = map(str, get_args(kind))
        return f"{', '.join(most)} or {last}" if most else last
    if get_origin(kind) is tuple:
        return "a text or a list of texts" if get_args(kind)[0] is str else "a list"
    kind = get_origin(kind) or kind
    return "a table" if is_dataclass(kind) else NAMES.get(kind, str(kind))


def _bounds(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f"from {meta.ge} to {meta.le}"
    if meta.ge is not None and meta.lt is not None:
        return f"from {meta.ge} to below {meta.lt}"
    if meta.gt is not None and meta.lt is not None:
        return f"more than {meta.gt} and below {meta.lt}"
    if meta.ge is not None:
        return f"{meta.ge} or more"
    if meta.gt is not None:
        return f"more than {meta.gt}"
    return "at least one" if meta.min_length else ""


def _message(said: str, value: Any, kind: Any, path: str) -> str:
    """Our message for an error of msgspec."""
    where = WHERE.search(said)
    for name, index in STEP.findall(where[1] if where else ""):
        kind = _without_extras(kind)
        if name:
            kind, value = get_type_hints(kind, include_extras=True)[name], value[name]
            path += f".{name}" if path else name
        elif index == "...":
            kind = get_args(kind)[1]
            key = next(key for key in value if not _fits(value[key], kind))
            value, path = value[key], f"{path}.{key}" if path else str(key)
        elif get_origin(kind) is list:
            kind, value = get_args(kind)[0], value[int(index)]
            path += f"[{index}]"
    if missing := MISSING.search(said):
        return f"{path}: {missing[1]} is missing" if path else f"{missing[1]} is missing"
    of_another_type = "got `" in said
    return f"{path or 'it'} is {value!r}; it must be {wanted(kind, of_another_type)}"


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(_plain(value), kind, dec_hook=_from_text)
    except msgspec.ValidationError:
        return False
    return True


def _without_extras(kind: Any, keep_bounds: bool = False) -> Any:
    """The type without None and bounds, as ``Person`` of ``Annotated[Person | None, ...]``."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(k for k in get_args(kind) if k is not NoneType)
    if get_origin(kind) is Annotated and not keep_bounds:
        return _without_extras(get_args(kind)[0])
    return kind


def _plain(value: Any) -> Any:
    """A NumPy scalar as a Python number; other values unchanged."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _from_text(kind: type, value: object) -> object:
    """Makes the types that JSON and TOML do not have; msgspec calls it and wraps its errors."""
    if isinstance(value, kind):
        return value
    if kind is Path and isinstance(value, str | os.PathLike):
        return Path(value)
    if kind is Fraction and isinstance(value, str):
        try:
            found = Fraction(value)
        except ZeroDivisionError as error:
            raise ValueError(str(error)) from error
        if found <= 0:
            raise ValueError("a rate is above 0")
        return found
    raise TypeError(f"no {kind.__name__}")
