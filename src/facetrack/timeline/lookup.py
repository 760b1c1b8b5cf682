"""Finds a person of a video by number or name."""

from collections.abc import Sequence

from facetrack.core.errors import TargetError
from facetrack.timeline.parts import Person

NAMED_IN_MESSAGES = 12


def find_person(people: Sequence[Person], who: int | str, called: str | None = None) -> Person:
    """The person with this number, or with this name, whose capitals do not matter.

    Args:
        called: how an error's message calls ``who``.

    Raises:
        TargetError: when it is nobody, or the name of several.
    """
    if isinstance(who, str):
        wanted = [p for p in people if p.name.casefold() == who.casefold()]
    else:
        wanted = [p for p in people if p.id == who]
    if len(wanted) == 1:
        return wanted[0]
    why = f"is the name of {len(wanted)} people" if wanted else "is not in this video"
    raise TargetError(f"{called or f'person {who}'} {why}; there {in_short(people)}")


def in_short(people: Sequence[Person]) -> str:
    """The people of a video, to follow *there* in a message."""
    if not people:
        return "is nobody"
    shown = ", ".join(
        str(p.id) if p.name == f"Person {p.id}" else f"{p.id} ({p.name})"
        for p in people[:NAMED_IN_MESSAGES]
    )
    left = len(people) - NAMED_IN_MESSAGES
    more = f" and {left} more" if left > 0 else ""
    return f"{'is' if len(people) == 1 else 'are'} {shown}{more}"
