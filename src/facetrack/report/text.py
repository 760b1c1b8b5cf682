"""How the page writes numbers, times and text that comes from outside."""

import html

from facetrack.identity.editing import is_named
from facetrack.timeline import Person


def escaped(value: object) -> str:
    """Text for an element or a quoted attribute: nothing in it is markup."""
    return html.escape(str(value))


def clock(seconds: float, digits: int = 1) -> str:
    """h:mm:ss with this many digits after the point."""
    ticks = round(seconds * 10**digits)
    whole, rest = divmod(ticks, 10**digits)
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    part = f".{rest:0{digits}}" if digits else ""
    return f"{hours}:{m:02}:{s:02}{part}"


def percent(share: float) -> str:
    """Of one: as ``12.3 %``."""
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """At most three digits that matter, no zeros behind the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def label(person: Person) -> str:
    """The name, and the number where the name does not say it."""
    return f"{person.name} ({person.id})" if is_named(person) else person.name


def rows(facts: dict[str, object]) -> str:
    """A table of two columns."""
    lines = [
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(value)}</td></tr>'
        for name, value in facts.items()
    ]
    return f"<table>{''.join(lines)}</table>"
