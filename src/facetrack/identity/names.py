"""What a person may be called: a name that ``--target`` finds again."""

import re

from facetrack.core.errors import UsageError

WORDS = ("most-frequent", "first", "largest", "all")
"""What ``--target`` takes for other than a name."""
PHOTOS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
"""Endings of files that ``--target`` takes for a photo."""
LONGEST = 80
"""Characters."""


def checked_name(name: str) -> str:
    """The name without spaces around it.

    Raises:
        UsageError: when it is empty, or a target of these letters would mean something else.
    """
    name = name.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise UsageError(f"name is {name!r}; it must be 1 to {LONGEST} characters on one line")
    number_like = name.isdecimal() or re.fullmatch(r"person \d+", name, re.IGNORECASE)
    if number_like or name.casefold() in WORDS:
        raise UsageError(f"name is {name!r}; --target means something else by that")
    if "," in name or name.lower().endswith(tuple(PHOTOS)):
        raise UsageError(
            f"name is {name!r}; --target would read it as several people or as a photo"
        )
    return name
