"""Settings of clips, and the presets that set several of them together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from msgspec import Meta

from facetrack.core.settings.stage import Stage, setting

Mode = Literal["single", "each", "split", "grid", "follow"]
Zoom = Literal["face", "head", "bust"]
Codec = Literal["h264", "hevc", "av1", "prores"]
Effort = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
Preset = Literal["talking-head"]
MODES: tuple[Mode, ...] = get_args(Mode)
CODECS: tuple[Codec, ...] = get_args(Codec)
EFFORTS: tuple[Effort, ...] = get_args(Effort)

PRESETS: dict[str, dict[str, Any]] = {
    "talking-head": {
        "target": ("all",),
        "min_length_s": 2.0,
        "fps": "25",
        "quality": 85,
        "data_set": True,
        "wav_rate": 16000,
    },
}
"""Values of ``ClipSettings`` that belong together."""

Made = TypeVar("Made")


def _expanding_presets(stage: type[Made]) -> type[Made]:
    """The class, whose ``preset`` gives each value that is not given itself."""
    init: Callable[..., None] = stage.__init__
    names = [f.name for f in fields(stage)]  # type: ignore[arg-type]

    @wraps(init)
    def with_preset_values(self: Made, *args: Any, **given: Any) -> None:
        if args:  # else ``**given`` says what is unknown
            given = {**dict(zip(names, args, strict=False)), **given}
        init(self, **with_preset(given))

    stage.__init__ = with_preset_values  # type: ignore[method-assign, assignment]
    return stage


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of clips with those of their ``preset``; a value that is given wins."""
    return {**PRESETS.get(str(given.get("preset")), {}), **given}


@_expanding_presets
@dataclass(frozen=True)
class ClipSettings(Stage):
    """Whom clips show, when, and how they are framed and encoded.

    ``ClipSettings(preset="talking-head", quality=90)`` takes the preset's values for all that is
    not given beside it. ``dataclasses.replace`` gives every value, so a preset that is given to it
    changes nothing else.
    """

    table = "clips"

    preset: Preset | None = setting(
        None, "Set of other values to begin with: talking-head. What is set beside it wins."
    )
    target: tuple[str, ...] = setting(
        ("most-frequent",),
        "Whom to show: most-frequent, first, largest, all, numbers, names, or photos' paths.",
    )
    people: Path | None = setting(
        None, "TOML file of names: Ada = 2 (a number), or Ada = 'ada.jpg' (a photo beside it)."
    )
    mode: Mode = setting(
        "each",
        "single: one person; each: clips of their own for every person; split: two people side by "
        "side or one above the other; grid: up to four people; follow: the person on screen.",
    )
    aspect: str = setting("1:1", "Width to height of a clip, as 9:16.")
    size: Annotated[int, Meta(ge=64, le=4096)] = setting(
        512, "Shorter side of a clip in pixels; even, from 64 to 4096."
    )
    zoom: Zoom = setting("head", "How close: face, head or bust.")
    adaptive: bool = setting(
        False, "true: zoom with the size of the face; false: one crop size for each shot."
    )
    segment_length_s: Annotated[float, Meta(gt=0)] = setting(
        10.0, "Maximum length of a clip in seconds; longer time on screen makes several clips."
    )
    min_length_s: Annotated[float, Meta(ge=0)] = setting(
        1.0, "Shortest time on screen in seconds that makes a clip."
    )
    max_gap: Annotated[int, Meta(ge=1)] = setting(
        30, "Frames without the target from which a new clip begins."
    )
    pad_s: Annotated[float, Meta(ge=0)] = setting(
        0.0, "Seconds shown before and after the target is on screen."
    )
    condense: bool = setting(
        False, "true: one clip for each target that joins all moments on screen."
    )
    speech_only: bool = setting(False, "true: only moments with speech.")
    cut_at_shots: bool = setting(False, "true: a clip ends where the video cuts to another shot.")
    name: str | None = setting(
        None,
        "Clip's file below clips/, without suffix; fields: source, person, name, index, start, "
        "end, mode. Unset: person_{person:02}/person_{person:02}_{index:04}, with several people "
        "in a clip {mode}/{mode}_{index:04}.",
    )
    codec: Codec = setting("h264", "h264, hevc, av1 or prores.")
    quality: Annotated[int, Meta(ge=0, le=100)] = setting(
        75, "0 to 100, higher is better and larger."
    )
    effort: Effort = setting(
        "veryfast",
        "Time the encoder takes to make the file small, by x264's names: ultrafast to veryslow.",
    )
    hdr: Literal["map", "keep"] = setting(
        "map",
        "Of a film in HDR, map: clips of the standard range (BT.709); keep: clips in HDR of 10 "
        "bits, as HEVC where codec is h264.",
    )
    fps: str | None = setting(
        None, "Constant frame rate, as 25 or 30000/1001; unset: the frame times of the video."
    )
    deinterlace: Literal["auto", "off"] = setting(
        "auto", "auto: frames are deinterlaced as in the analysis; off: they stay as they are."
    )
    debug_overlay: bool = setting(
        False, "true: the whole frame with boxes, landmarks, ids and the crop drawn into it."
    )
    jobs: Annotated[int, Meta(ge=1)] | None = setting(
        None, "Clips encoded at the same time; unset: one for each core."
    )
    data_set: bool = setting(
        False,
        "true: clips for training, with a manifest: each shows one track in one shot, no face of "
        "another person, and meets the settings below.",
    )
    enlargement: Annotated[float, Meta(ge=1)] = setting(
        3.0,
        "Times that a clip may enlarge what it shows. More is said in a line; in a data set such "
        "clips are left out.",
    )
    wav_rate: Annotated[int, Meta(ge=1)] | None = setting(
        None, "Writes a mono WAV file beside each clip, with so many samples a second."
    )
    face_px: Annotated[int, Meta(ge=0)] = setting(
        96, "data_set: height in pixels that the face must have."
    )
    frontality: Annotated[float, Meta(ge=0, le=1)] = setting(
        0.4, "data_set: how far the face must look at the camera, 0 (profile) to 1."
    )
    sharpness: Annotated[float, Meta(ge=0, le=1)] = setting(
        0.2, "data_set: how sharp the face must be, 0 to 1."
    )

    def _check(self) -> None:
        """The target, the size, aspect and rate, and what a data set allows."""
        self._require(bool(self.target), "target", "somebody")
        self._require(self.ratio is not None, "aspect", "width:height, from 1:4 to 4:1")
        self._require(self.size % 2 == 0, "size", "even, from 64 to 4096")
        rate = self.fps is None or self.frame_rate is not None
        self._require(rate, "fps", "frames a second from 1 to 240, as 25 or 30000/1001")
        alone = self.mode in ("single", "each") and not self.condense
        self._require(alone or not self.data_set, "mode", "each, not condensed, in a data set")

    @property
    def ratio(self) -> Fraction | None:
        """``aspect`` as width / height; None when it is no such ratio."""
        parts = self.aspect.split(":")
        if len(parts) != 2 or not all(p.isdecimal() and int(p) for p in parts):
            return None
        ratio = Fraction(int(parts[0]), int(parts[1]))
        return ratio if Fraction(1, 4) <= ratio <= 4 else None

    @property
    def frame_rate(self) -> Fraction | None:
        """``fps`` as a fraction; None when it is unset: the clip keeps the video's frame times."""
        try:
            rate = Fraction(self.fps or "")
        except (ValueError, ZeroDivisionError):
            return None
        return rate if 1 <= rate <= 240 else None
