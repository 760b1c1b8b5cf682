"""The options of ``run`` and ``render`` that set clips: one option for each setting of clips.

``ClipSettings`` says what each means; this module only names the options.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from facetrack.core.settings import ClipSettings

FLAGS = {
    "preset": "--preset",
    "target": "--target",
    "people": "--people",
    "mode": "--mode",
    "aspect": "--aspect",
    "size": "--size",
    "zoom": "--zoom",
    "adaptive": "--adaptive/--constant",
    "segment_length_s": "--segment-length",
    "min_length_s": "--min-length",
    "max_gap": "--max-gap",
    "pad_s": "--pad",
    "condense": "--condense/--no-condense",
    "speech_only": "--speech-only/--all-sound",
    "cut_at_shots": "--cut-at-shots/--over-shots",
    "name": "--name",
    "codec": "--codec",
    "quality": "--quality",
    "effort": "--effort",
    "fps": "--fps",
    "debug_overlay": "--debug-overlay/--no-overlay",
    "jobs": "--jobs",
}
"""Setting -> option. The other settings of clips are for data sets; the TOML file sets them."""
TYPES = {"target": list[str]}
"""Types of options that may be given several times."""

Command = Callable[..., int]


def with_clip_options(command: Command) -> Command:
    """Adds an option for each of ``FLAGS``; the command gets those that are given as ``clips``."""

    @wraps(command)
    def with_options(**given: Any) -> int:
        clips = {name: given.pop(name) for name in FLAGS}
        return command(clips={n: v for n, v in clips.items() if v not in (None, [])}, **given)

    own = [p for p in inspect.signature(command).parameters.values() if p.name != "clips"]
    options = _options()
    # Before --dry-run and the other switches that end the list of every command.
    at = next(i for i, p in enumerate(own) if p.name == "dry_run")
    parameters = [*own[:at], *options, *own[at:]]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def _options() -> list[inspect.Parameter]:
    hints = get_type_hints(ClipSettings)
    meanings = {f.name: f.metadata["help"] for f in fields(ClipSettings)}
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[
                TYPES.get(name, _alone(hints[name])) | None,
                typer.Option(flag, help=meanings[name], show_default=False),
            ],
        )
        for name, flag in FLAGS.items()
    ]


def _alone(hint: Any) -> Any:
    """The type of a setting without None; one of several texts is a text, which settings check."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(t for t in get_args(hint) if t is not NoneType)
    return str if get_origin(hint) is Literal else hint
