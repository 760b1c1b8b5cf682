"""Final Cut Pro XML 1.10: an event with the source, tagged with keywords, and a project.

Each interval of a person is a keyword range, so that editors find people in the browser. In the
project each person has a lane with clips at their times in the source. Times are fractions of whole
frames, at the source's rate or at the closest rate that projects have. (OpenTimelineIO's adapter
for this format, 1.0.0, fails at 23.976 and 29.97 frames/s.)
"""

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from facetrack.exports.person_ranges import (
    editing_rate,
    on_grid,
    person_names,
    person_ranges,
    printable,
)
from facetrack.timeline import Analysis

VERSION = "1.10"
FORMAT, SOURCE = "r1", "r2"
"""Ids of the resources."""


class FcpxmlExporter:
    """Final Cut Pro XML."""

    name = "fcpxml"
    suffix = ".fcpxml"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes the event and its project."""
        root = _document(analysis)
        ElementTree.indent(root)
        with path.open("wb") as file:
            file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n')
            file.write(ElementTree.tostring(root, encoding="utf-8"))
            file.write(b"\n")


def _document(analysis: Analysis) -> Element:
    info = analysis.info
    title, file_name = printable(info.path.stem), printable(info.path.name)
    rate = editing_rate(info.fps)
    whole = _time(round(info.duration_s * rate), rate)
    root = Element("fcpxml", version=VERSION)
    _resources(SubElement(root, "resources"), analysis, rate, whole)
    event = SubElement(SubElement(root, "library"), "event", name=title)
    source = SubElement(event, "asset-clip", ref=SOURCE, name=file_name, start="0s", duration=whole)
    project = SubElement(event, "project", name=f"{title}: people")
    sequence = SubElement(project, "sequence", format=FORMAT, tcStart="0s", duration=whole)
    # All clips are attached to one gap as long as the source, which keeps each at its time.
    gap = SubElement(SubElement(sequence, "spine"), "gap", start="0s", offset="0s", duration=whole)
    names = person_names(analysis)
    for person, ranges in person_ranges(analysis).items():
        for _, start, end in on_grid(ranges, rate):
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
        resources,
        "asset",
        streams,
        id=SOURCE,
        name=printable(info.path.name),
        start="0s",
        duration=whole,
    )
    SubElement(asset, "media-rep", kind="original-media", src=info.path.resolve().as_uri())


def _time(frames: int, rate: Fraction) -> str:
    seconds = Fraction(frames) / rate
    return f"{seconds.numerator}/{seconds.denominator}s" if seconds else "0s"
