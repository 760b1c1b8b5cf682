"""Final Cut Pro XML 1.10: an event with the source, tagged with keywords, and a project.

A keyword range a person and appearance lets editors find people in the browser; the project has
each person's appearances above one another, a lane a person, where they are in the source. Times
are fractions of whole frames, at the source's rate or, where projects have none such, the closest.
(OpenTimelineIO's adapter for this format, 1.0.0, fails at 23.976 and 29.97 frames a second.)
"""

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from facetrack.exports.appearances import appearances_of, names_of, on_grid
from facetrack.exports.editing import editing_rate
from facetrack.timeline import Analysis

VERSION = "1.10"
FORMAT, SOURCE = "r1", "r2"


def write(analysis: Analysis, path: Path) -> None:
    """The event and its project."""
    root = _document(analysis)
    ElementTree.indent(root)
    with path.open("wb") as file:
        file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n')
        file.write(ElementTree.tostring(root, encoding="utf-8"))
        file.write(b"\n")


def _document(analysis: Analysis) -> Element:
    info = analysis.info
    rate = editing_rate(info.fps)
    whole = _time(round(info.duration_s * rate), rate)
    root = Element("fcpxml", version=VERSION)
    _resources(SubElement(root, "resources"), analysis, rate, whole)
    event = SubElement(SubElement(root, "library"), "event", name=info.path.stem)
    source = SubElement(
        event, "asset-clip", ref=SOURCE, name=info.path.name, start="0s", duration=whole
    )
    project = SubElement(event, "project", name=f"{info.path.stem}: people")
    sequence = SubElement(project, "sequence", format=FORMAT, tcStart="0s", duration=whole)
    # Everything hangs on one gap as long as the source, which keeps each clip at its time.
    gap = SubElement(SubElement(sequence, "spine"), "gap", start="0s", offset="0s", duration=whole)
    names = names_of(analysis)
    for person, appearances in appearances_of(analysis).items():
        for _, start, end in on_grid(appearances, rate):
            begin, lasting = _time(start, rate), _time(end - start, rate)
            SubElement(source, "keyword", start=begin, duration=lasting, value=names[person])
            SubElement(
                gap, "asset-clip", ref=SOURCE, name=names[person], lane=str(person),
                offset=begin, start=begin, duration=lasting,
            )  # fmt: skip
    return root


def _resources(resources: Element, analysis: Analysis, rate: Fraction, whole: str) -> None:
    info = analysis.info
    size = {"width": str(info.width), "height": str(info.height)}
    SubElement(resources, "format", size, id=FORMAT, frameDuration=_time(1, rate))
    streams = {"hasVideo": "1", "videoSources": "1", "format": FORMAT}
    if info.has_audio:
        streams |= {"hasAudio": "1", "audioSources": "1"}
    asset = SubElement(
        resources, "asset", streams, id=SOURCE, name=info.path.name, start="0s", duration=whole
    )
    SubElement(asset, "media-rep", kind="original-media", src=info.path.resolve().as_uri())


def _time(frames: int, rate: Fraction) -> str:
    seconds = Fraction(frames) / rate
    return f"{seconds.numerator}/{seconds.denominator}s" if seconds else "0s"
