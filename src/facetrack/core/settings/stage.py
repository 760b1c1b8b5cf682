"""What the settings of all stages share: a field's help, and the check of every value."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, get_type_hints

from facetrack.core.errors import UsageError
from facetrack.core.schema import SchemaError, converted


def setting(default: Any, help: str) -> Any:
    """A dataclass field with its meaning beside its default."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Stage:
    """What the settings of all stages share: their values are converted and checked when made."""

    table: ClassVar[str]
    """Name of the stage's table in the TOML file, and first part of a setting's path."""

    def __post_init__(self) -> None:
        """Checks each value by its annotation, then the rules that no annotation can say.

        Raises:
            UsageError: when a value makes no sense.
        """
        for name, kind in hints_of(type(self)).items():
            value = getattr(self, name)
            if kind == tuple[str, ...] and isinstance(value, str):
                value = (value,)
            try:
                checked = converted(value, kind, f"{self.table}.{name}")
            except SchemaError as error:
                raise UsageError(str(error)) from error
            object.__setattr__(self, name, checked)
        self._check()

    def _check(self) -> None:
        """Rules over several values, or that a bound cannot say; none by default."""

    def _require(self, ok: bool, name: str, wanted: str) -> None:
        """Raises ``UsageError`` when not ``ok``: the setting ``name`` must be ``wanted``."""
        require(ok, f"{self.table}.{name}", getattr(self, name), wanted)


def hints_of(stage: type[Stage]) -> dict[str, Any]:
    """Name of each setting -> its annotation, with its bounds."""
    hints = get_type_hints(stage, include_extras=True)
    return {f.name: hints[f.name] for f in fields(stage)}


def require(ok: bool, name: str, value: object, wanted: str) -> None:
    """Checks an argument or a setting.

    Raises:
        UsageError: when not ``ok``, with the name, the value, and what it must be.
    """
    if not ok:
        raise UsageError(f"{name} is {value!r}; it must be {wanted}")
