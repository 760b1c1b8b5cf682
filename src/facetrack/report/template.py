"""The page's Jinja2 template: its number formats, and the policy that forbids everything foreign.

Autoescape is on: text from outside, as names of people and files, cannot become markup. Only the
page's own style, script and SVG are inserted as they are, as ``Markup``.
"""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from facetrack.identity.editing import is_named
from facetrack.timeline import Person

TEMPLATE = "page.html"


def rendered(**context: Any) -> str:
    """HTML of the page.

    Args:
        context: the template's variables, all but the style, the script and the policy.
    """
    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "jpeg_url": jpeg_url}
    style, script = _file("page.css"), _file("page.js")
    return environment.get_template(TEMPLATE).render(
        policy=Markup(_content_policy(style, script)),
        style=Markup(style),
        script=Markup(script),
        **context,
    )


def clock(seconds: float, digits: int = 1) -> str:
    """``h:mm:ss``, with this many digits after the decimal point."""
    ticks = round(seconds * 10**digits)
    whole, rest = divmod(ticks, 10**digits)
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    part = f".{rest:0{digits}}" if digits else ""
    return f"{hours}:{m:02}:{s:02}{part}"


def percent(share: float) -> str:
    """A share from 0 to 1 as ``12.3 %``."""
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """Three significant digits at most, without zeros at the end; whole numbers from 100 on."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def label(person: Person) -> str:
    """The name; the person's number follows when the name does not contain it."""
    return f"{person.name} ({person.id})" if is_named(person) else person.name


def jpeg_url(jpeg: bytes) -> str:
    """A ``data:`` URL that contains a JPEG."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _content_policy(style: str, script: str) -> str:
    """Only the page's own script and style run, and only local files are played."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _file(name: str) -> str:
    return files("facetrack.report").joinpath(name).read_text("utf-8")
