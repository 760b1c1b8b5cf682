"""All text that commands show goes through here: no control character of a name gets to a terminal.

Names of files and people, messages of other libraries and metadata of media come from anybody. A
terminal obeys escape sequences in them: they clear the screen, set its title, fake output, fill the
clipboard. Here such characters become visible, as ``\\x1b``; nor is Rich's markup in a name obeyed.
Files, and JSON, keep the true text.
"""

import logging
import sys
import traceback
import unicodedata
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

CONTROL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of control and format characters (as those that turn the direction of
writing), surrogates, and separators of lines and paragraphs."""
IN_WORDS = {"\u200c", "\u200d"}
"""Format characters that words of some languages need, and that only join or part letters."""
BYTE = range(0xDC80, 0xDD00)
"""Surrogates that stand for bytes of a file name that is not UTF-8."""


def visible(text: object, keep: str = "") -> str:
    r"""The text with its control characters as escapes, ``\x1b`` or ``\u202e``.

    Args:
        text: converted by ``str``.
        keep: control characters that stay, as line breaks of a traceback.
    """
    return "".join(
        c if c in keep or c in IN_WORDS or unicodedata.category(c) not in CONTROL else _escape(c)
        for c in str(text)
    )


def say(text: object, file: TextIO | None = None) -> None:
    """Prints a line, on standard output by default."""
    print(visible(text), file=file, flush=True)


def warn(text: object) -> None:
    """Prints a line on standard error."""
    say(f"facetrack: {text}", sys.stderr)


class Terminal(Console):
    """Rich's console for our tables and lines: texts are shown as they are, markup included.

    A line break stays one inside a cell of a table and in a line that is printed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Makes a text of every string that is printed, also of a table's cells and title."""
        return super().render_str(visible(text, keep="\n"), **options)


def guard_messages() -> None:
    """Lets tracebacks and messages of libraries through ``visible`` too."""
    sys.excepthook = _show_traceback
    handler = logging.StreamHandler()
    handler.setFormatter(_VisibleLines())
    logging.lastResort = handler
    handler.setLevel(logging.WARNING)


class _VisibleLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), keep="\n")


def _show_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    lines = "".join(traceback.format_exception(kind, error, trace))
    print(visible(lines, keep="\n"), end="", file=sys.stderr)


def _escape(character: str) -> str:
    number = ord(character)
    if number in BYTE:
        return f"\\x{number - 0xDC00:02x}"
    if number < 0x100:
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
