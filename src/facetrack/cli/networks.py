"""Which networks find faces and tell people apart: options of several commands."""

from pathlib import Path
from typing import Annotated

import typer

Detector = Annotated[
    str | None,
    typer.Option(help="What finds faces: mtcnn, yunet, or auto (the better one for the device)."),
]
Recognizer = Annotated[
    str | None,
    typer.Option(
        help="What tells people apart: sface (by itself), facenet, vggface2 with --weights, or an "
        "ONNX file that `facetrack calibrate` was run on.",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Weight file for vggface2.")]
