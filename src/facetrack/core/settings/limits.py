"""Settings that bound inputs and outputs: beyond them a command says so in one line and ends."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from facetrack.core.settings.stage import Stage, setting


@dataclass(frozen=True)
class LimitSettings(Stage):
    """How large inputs and outputs may be; they may come from anybody."""

    table = "limits"

    frame_pixels: Annotated[int, Meta(ge=1)] = setting(
        144_000_000, "Pixels of a frame of a film or a clip (16384 x 8704)."
    )
    frames: Annotated[int, Meta(ge=1)] = setting(20_000_000, "Frames of a film or a clip.")
    frame_faces: Annotated[int, Meta(ge=1)] = setting(5_000, "Faces in a frame.")
    film_s: Annotated[float, Meta(gt=0)] = setting(
        400_000.0, "Seconds of a film or a clip (4.6 days)."
    )
    table_bytes: Annotated[int, Meta(ge=1)] = setting(
        1 << 30, "Bytes in memory of a table or of embeddings that are read (faces.parquet ...)."
    )
    text_bytes: Annotated[int, Meta(ge=1)] = setting(
        64 << 20,
        "Bytes of a file of JSON, JSON lines, TOML or CSV that is read; in memory it takes up to "
        "20 times as much.",
    )
    network_bytes: Annotated[int, Meta(ge=1)] = setting(
        2 << 30, "Bytes of a network of yours that is read (--recognizer FILE.onnx, --weights)."
    )
    output_bytes: Annotated[int, Meta(ge=1)] = setting(
        64 << 30, "Bytes of a clip, and of the file of sound beside it."
    )
