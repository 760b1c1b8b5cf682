"""Options that set one setting each; ``core.settings`` says what the setting means."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from facetrack.core.settings import STAGES

Flags = Mapping[str, Mapping[str, str]]
"""Table -> setting -> option."""

ANALYSIS: Flags = {
    "decode": {
        "start_s": "--start",
        "duration_s": "--duration",
        "video_stream": "--video-stream",
        "audio_stream": "--audio-stream",
        "deinterlace": "--deinterlace",
    },
    "detection": {
        "device": "--device",
        "detector": "--detector",
        "dense": "--dense/--key-frames",
        "min_face": "--min-face",
    },
    "identity": {
        "recognizer": "--recognizer",
        "weights": "--weights",
        "probability": "--probability",
        "threshold": "--threshold",
    },
}
CLIPS: Flags = {
    "clips": {
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
        "hdr": "--hdr",
        "fps": "--fps",
        "debug_overlay": "--debug-overlay/--no-overlay",
    }
}
"""The other settings of clips are for data sets; the TOML file sets them."""
RENDERED: Flags = {"clips": {**CLIPS["clips"], "deinterlace": "--deinterlace"}}
"""Options of clips that are rendered of an analysis, whose own options are not there."""
TYPES = {"target": list[str]}
"""Types of options that may be given several times."""

Command = Callable[..., int]


def with_options(flags: Flags) -> Callable[[Command], Command]:
    """Adds the options to a command, which gets those that are given as ``given``, by table."""

    def decorated(command: Command) -> Command:
        @wraps(command)
        def with_given(*args: Any, **values: Any) -> int:
            given: dict[str, dict[str, Any]] = {table: {} for table in flags}
            for table, options in flags.items():
                for name in options:
                    value = values.pop(name, None)
                    if value not in (None, []):
                        given[table][name] = value
            return command(*args, given=given, **values)

        own = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]
        # Before the switches that end the list of every command.
        at = next(i for i, p in enumerate(own) if p.name == "gallery")
        parameters = [*own[:at], *_options(flags), *own[at:]]
        with_given.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_given.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_given

    return decorated


def _options(flags: Flags) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            f.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[
                TYPES.get(f.name, _alone(hint)) | None,
                typer.Option(flags[table][f.name], help=f.metadata["help"], show_default=False),
            ],
        )
        for table in flags
        for f in fields(STAGES[table])
        if f.name in flags[table]
        for hint in [get_type_hints(STAGES[table])[f.name]]
    ]


def _alone(hint: Any) -> Any:
    """The type of a setting without None; one of several texts is a text, which settings check."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(t for t in get_args(hint) if t is not NoneType)
    return str if get_origin(hint) is Literal else hint
