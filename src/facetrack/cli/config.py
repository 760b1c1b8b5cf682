"""Settings from a TOML file and from the flags of a command, and the file that shows them all."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomli_w

from facetrack.core.errors import UsageError
from facetrack.core.limits import limits, use_limits
from facetrack.core.received_files import read_given
from facetrack.core.settings import Settings, settings_from, with_preset


def load_settings(config: Path | None, flags: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Defaults, then the file's tables, then the flags that were given (None: not given).

    A preset counts as if its values were written where its name is. The limits among them are in
    force from then on.

    Raises:
        UsageError: for a file that is not TOML, an unknown name, or a value that makes no sense.
    """
    tables = _read(config) if config is not None else {}
    for table, given in flags.items():
        values = {name: value for name, value in given.items() if value is not None}
        tables[table] = {**with_preset(tables.get(table, {})), **with_preset(values)}
    settings = settings_from(tables)
    use_limits(settings.limits)
    return settings


def as_toml(settings: Settings) -> str:
    """Every setting with its meaning, as a file for ``--config``; unset ones are comments."""
    lines: list[str] = []
    for table, values in settings.as_dict().items():
        lines += ["", f"[{table}]"]
        for f in fields(getattr(settings, table)):
            value = values[f.name]
            lines.append(f"# {f.metadata['help']}")
            line = f"# {f.name} =" if value is None else tomli_w.dumps({f.name: value}).rstrip()
            lines.append(line)
    return "\n".join(lines[1:]) + "\n"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(read_given(path, limits().text_bytes).decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give a readable TOML file") from error
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or too deep
        raise UsageError(f"{path}: not TOML ({error})") from error
    if unknown := sorted(name for name, value in tables.items() if not isinstance(value, dict)):
        raise UsageError(f"{path}: {unknown[0]} is outside a table; write [decode] or so above it")
    return tables
