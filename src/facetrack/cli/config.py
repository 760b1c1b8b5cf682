"""Settings from a TOML file and from the flags of a command; flags win."""

import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from facetrack.core.errors import UsageError
from facetrack.core.settings import PRESETS, Settings


def load_settings(config: Path | None, flags: dict[str, dict[str, Any]]) -> Settings:
    """Defaults, then the file's tables, then the flags that were given (None: not given).

    A preset counts as if its values were written where its name is.

    Raises:
        UsageError: for a file that is not TOML, an unknown name, or a value that makes no sense.
    """
    tables = _read(config) if config is not None else {}
    settings = Settings()
    stages = {f.name for f in fields(Settings)}
    if unknown := set(tables) - stages:
        raise UsageError(
            f"{config}: no such table: {', '.join(sorted(unknown))}; "
            f"there are {', '.join(sorted(stages))}"
        )
    for stage in stages:
        given = _with_preset(tables.get(stage, {}))
        given |= _with_preset({k: v for k, v in flags.get(stage, {}).items() if v is not None})
        settings = replace(settings, **{stage: _fill(getattr(settings, stage), given, stage)})
    return settings


def as_toml(settings: Settings) -> str:
    """Every setting with its meaning, as a file that ``--config`` reads."""
    lines: list[str] = []
    for stage in fields(settings):
        lines += ["", f"[{stage.name}]"]
        values = getattr(settings, stage.name)
        for f in fields(values):
            value = getattr(values, f.name)
            text = "# unset" if value is None else _toml_value(value)
            prefix = f"# {f.name} =" if value is None else f"{f.name} = {text}"
            lines += [f"# {f.metadata['help']}", prefix]
    return "\n".join(lines[1:]) + "\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give a readable TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML ({error})") from error


def _with_preset(given: dict[str, Any]) -> dict[str, Any]:
    return {**PRESETS.get(str(given.get("preset")), {}), **given}


def _fill(stage: Any, given: dict[str, Any], name: str) -> Any:
    assert is_dataclass(stage)
    hints = get_type_hints(type(stage))
    values = {}
    for key, value in given.items():
        if key not in hints:
            raise UsageError(f"{name}.{key}: no such setting; `facetrack config` lists them all")
        values[key] = _typed(value, hints[key], f"{name}.{key}")
    return replace(stage, **values)  # type: ignore[type-var]


def _typed(value: Any, hint: Any, name: str) -> Any:
    if hint == tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
            raise UsageError(f"{name} is {value!r}; it must be a text or a list of texts")
        return tuple(values)
    wanted = next(t for t in (get_args(hint) or (hint,)) if t is not NoneType)
    if wanted is Path and isinstance(value, str | Path):
        return Path(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise UsageError(f"{name} is {value!r}; it must be of type {wanted.__name__}")
    return value


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'
