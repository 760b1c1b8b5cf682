"""Text and tables of the page: the video, its people, the run, its stages and settings."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facetrack.core.errors import InputError
from facetrack.core.schema import SchemaError, Size, converted
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.similarity import probability
from facetrack.report.template import clock, label, number, percent
from facetrack.report.timeline_data import analyzed_range_s
from facetrack.timeline import Analysis


@dataclass(frozen=True)
class StageTime:
    """How long a stage of the run took."""

    seconds: Size
    share: Size
    """Of the run's duration; stages run at the same time."""


@dataclass(frozen=True)
class RunFacts:
    """What the page shows of ``performance``; what was not stored is None or empty."""

    seconds: Size | None = None
    frames_per_second: Size | None = None
    engine: str | None = None
    decoder: str | None = None
    stages: dict[str, StageTime] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, analysis: Analysis) -> "RunFacts":
        """The facts of the run of this analysis.

        Raises:
            InputError: when a value is of another type.
        """
        try:
            return converted(analysis.performance, cls, "performance")
        except SchemaError as error:
            place = analysis.info.path.name if analysis.folder is None else analysis.folder
            raise InputError(f"{place}: {error}; analyse the video again") from error


@dataclass(frozen=True)
class PersonPanel:
    """What the page shows of one person."""

    id: int
    label: str
    thumbnail: bytes | None
    """JPEG; None: the analysis has none."""
    facts: dict[str, object]
    """Rows of the panel's table."""


def video_facts(analysis: Analysis, run: RunFacts) -> dict[str, str]:
    """The video and the numbers of people, tracks, shots and faces found in it."""
    info = analysis.info
    start_s, end_s = analyzed_range_s(analysis)
    fps = f"{float(info.fps):.3f}".rstrip("0").rstrip(".")
    facts = {
        "Video": f"{info.width}x{info.height}, {info.video_codec}, {fps} frames/s, "
        + ("with sound" if info.has_audio else "no sound"),
        "Length": f"{clock(end_s - start_s)}, {info.frame_count:,} frames"
        + (f", starting at {clock(start_s)}" if analysis.first_frame else ""),
        "People": f"{len(analysis.people)}, in {len(analysis.intervals):,} intervals",
        "Tracks": f"{len(analysis.tracks):,}, {len(analysis.dropped):,} dropped",
        "Shots": f"{len(analysis.shots):,}",
        "Faces": f"{len(analysis.faces):,}",
    }
    if run.seconds is not None and run.frames_per_second is not None:
        real_time = run.frames_per_second / float(info.fps)
        facts["Analysed in"] = (
            f"{number(run.seconds)} s: "
            f"{number(run.frames_per_second)} frames/s, {number(real_time)} x real time"
        )
    return facts


def warnings_of(analysis: Analysis) -> list[str]:
    """The run's warnings; of a damaged video there is at least one."""
    if analysis.damaged and not analysis.warnings:
        return ["a part of the video could not be read"]
    return list(analysis.warnings)


def person_panels(analysis: Analysis, similarity: PeopleSimilarity) -> list[PersonPanel]:
    """One panel for each person, in the analysis' order."""
    track_counts = Counter(t.person for t in analysis.tracks)
    labels = {p.id: label(p) for p in analysis.people}
    start_s, end_s = analyzed_range_s(analysis)
    panels = []
    for person in analysis.people:
        facts: dict[str, object] = {
            "on screen": f"{person.seconds:.2f} s",
            "of the video": percent(person.seconds / max(end_s - start_s, 1e-9)),
            "first seen": clock(person.first_s),
            "last seen": clock(person.last_s),
            "tracks": track_counts[person.id],
            "most similar": _most_similar(person.id, similarity, labels),
        }
        if person.confidence is not None:  # of a name that a gallery gave
            facts["name confidence"] = f"{person.confidence:.2f}"
        thumbnail = analysis.thumbnails.get(person.id)
        panels.append(PersonPanel(person.id, labels[person.id], thumbnail, facts))
    return panels


def setting_groups(analysis: Analysis) -> dict[str, dict[str, object]]:
    """The settings of each stage, with values as the page writes them."""
    return {
        group: {name: _setting(value) for name, value in of.items()}
        for group, of in analysis.settings.items()
        if isinstance(of, dict)
    }


def run_environment(run: RunFacts) -> dict[str, object]:
    """Engine, decoder, hardware and versions of the run; what was not stored is left out."""
    stored = {"engine": run.engine, "decoder": run.decoder, **run.machine, **run.versions}
    return {name: value for name, value in stored.items() if value is not None}


def _most_similar(person: int, similarity: PeopleSimilarity, labels: dict[int, str]) -> str:
    """The most similar other person, and the probability that the two are the same person."""
    if person not in similarity.people or len(similarity.people) < 2:
        return "nobody to compare"
    own = similarity.people.index(person)
    odds = similarity.between_people[own].copy()
    odds[own] = -np.inf
    return f"{labels[similarity.people[odds.argmax()]]}, {probability(float(odds.max())):.2f}"


def _setting(value: object) -> object:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value).lower() if isinstance(value, bool) else value
