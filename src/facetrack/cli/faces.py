"""Draws faces in the terminal, as images where it can show them, else as coloured half blocks.

Kitty and iTerm2 have protocols that place an image over cells. In other terminals with colour each
cell shows two pixels, one above the other. In a pipe, or without colour, nothing is drawn.
"""

import base64
import io
import os
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image as Pillow
from rich.console import Console
from rich.style import Style
from rich.text import Text

from facetrack.media.images import ImageError, open_image

COLUMNS, ROWS = 24, 12
"""Size of a face in cells; a cell is about twice as high as wide."""
GAP = 2
KITTY = ("kitty", "ghostty")
ITERM = ("iTerm.app", "WezTerm")
CHUNK = 4096
"""Maximum number of base64 characters in one command to Kitty."""


def draw_faces(console: Console, faces: Sequence[tuple[str, bytes | None]]) -> None:
    """Draws faces side by side with their captions; without a JPEG the place stays blank."""
    protocol = inline_protocol(console, os.environ)
    if protocol is None and console.color_system in (None, "standard", "windows"):
        return
    if console.options.ascii_only:
        return
    across = max((console.width + GAP) // (COLUMNS + GAP), 1)
    for at in range(0, len(faces), across):
        row = faces[at : at + across]
        if protocol is None:
            for line in zip(*(half_blocks(jpeg) for _, jpeg in row), strict=True):
                console.print(Text(" " * GAP).join(line), no_wrap=True, crop=True)
        else:
            _draw_inline(console, protocol, [jpeg for _, jpeg in row])
        captions = [caption[:COLUMNS].center(COLUMNS) for caption, _ in row]
        console.print((" " * GAP).join(captions), style="bold", markup=False, highlight=False)


def inline_protocol(console: Console, environment: Mapping[str, str]) -> str | None:
    """``kitty`` or ``iterm`` if the terminal has that protocol, else None.

    Inside tmux and screen the variables are those of the outer terminal, but its images are not
    shown there; so the answer is None.
    """
    inside = "TMUX" in environment or "STY" in environment
    if not console.is_terminal or console.is_dumb_terminal or inside:
        return None
    program, term = environment.get("TERM_PROGRAM", ""), environment.get("TERM", "")
    if program in KITTY or any(name in term for name in KITTY) or "KITTY_WINDOW_ID" in environment:
        return "kitty"
    return "iterm" if program in ITERM else None


def half_blocks(jpeg: bytes | None) -> list[Text]:
    """``ROWS`` lines of ``COLUMNS`` cells; a cell's text colour is its upper pixel, its background
    the lower one."""
    face = None if jpeg is None else _opened(jpeg)
    if face is None:
        return [Text("·".center(COLUMNS) if row == ROWS // 2 else " " * COLUMNS, "dim")
                for row in range(ROWS)]  # fmt: skip
    small = face.resize((COLUMNS, 2 * ROWS), Pillow.Resampling.LANCZOS)
    pixels = np.asarray(small).reshape(ROWS, 2, COLUMNS, 3)
    lines = []
    for upper, lower in pixels:
        line = Text()
        for above, below in zip(upper, lower, strict=True):
            line.append("▀", Style(color=_colour(above), bgcolor=_colour(below)))
        lines.append(line)
    return lines


def inline_image(protocol: str, jpeg: bytes) -> str:
    """The escape sequence that draws the image at the cursor and does not move the cursor; nothing
    where the image is damaged."""
    face = _opened(jpeg)
    if face is None:
        return ""
    if protocol == "iterm":
        data = base64.b64encode(jpeg).decode()
        size = f"width={COLUMNS};height={ROWS};preserveAspectRatio=0;doNotMoveCursor=1"
        return f"\x1b]1337;File=inline=1;size={len(jpeg)};{size}:{data}\a"
    png = io.BytesIO()
    face.save(png, "PNG")
    data = base64.b64encode(png.getvalue()).decode()
    parts = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    # a=T: show; f=100: PNG; C=1: do not move the cursor; q=2: no answer, it would appear as input.
    first = f"a=T,f=100,c={COLUMNS},r={ROWS},C=1,q=2,"
    return "".join(
        f"\x1b_G{first if i == 0 else ''}m={int(i < len(parts) - 1)};{part}\x1b\\"
        for i, part in enumerate(parts)
    )


def _opened(jpeg: bytes) -> Pillow.Image | None:
    """The face; None where the image is damaged."""
    try:
        return open_image(io.BytesIO(jpeg))
    except ImageError:
        return None


def _draw_inline(console: Console, protocol: str, jpegs: Sequence[bytes | None]) -> None:
    """Prints empty lines first, so that the terminal scrolls before images are placed."""
    out = ["\n" * ROWS, f"\x1b[{ROWS}A"]
    for i, jpeg in enumerate(jpegs):
        if jpeg is not None:
            place = f"\x1b[{i * (COLUMNS + GAP) + 1}G"
            # Save and restore the cursor: older terminals move it behind the image.
            out += [place, "\x1b7", inline_image(protocol, jpeg), "\x1b8"]
    out += ["\r", f"\x1b[{ROWS}B"]
    console.file.write("".join(out))
    console.file.flush()


def _colour(pixel: "np.typing.NDArray[np.uint8]") -> str:
    red, green, blue = pixel.tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
