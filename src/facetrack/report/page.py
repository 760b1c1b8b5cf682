"""Makes the page of the folder alone, so that it can be written again after any change."""

import base64
import hashlib
import json
import os
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from string import Template

from facetrack.core.atomic_write import atomic_write
from facetrack.identity.people_similarity import PeopleSimilarity, scorer_of_analysis
from facetrack.report import facts
from facetrack.report.charts import run_charts
from facetrack.report.people import people_panels
from facetrack.report.review import review_strip
from facetrack.report.text import escaped
from facetrack.report.timeline import timeline_data
from facetrack.timeline import Analysis
from facetrack.timeline.history import History

REPORT_FILE = "report.html"


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Writes ``report.html`` into the folder of an analysis, whole or not at all.

    It is made of the folder alone: timeline, pictures, samples, and the clips that lie in it. Where
    the video still is, faces of doubtful tracks are cut out of it.

    Args:
        folder: that ``Analysis.save`` wrote.

    Returns:
        The page's path.

    Raises:
        InputError: when the folder holds no whole analysis.
        OSError: when the page cannot be written.
    """
    place = Path(folder)

    def write() -> Path:
        page = page_of(Analysis.load(place), place)
        # An edit takes away what is not yet whole; then ``steady`` comes back here.
        with suppress(FileNotFoundError), atomic_write(place / REPORT_FILE) as path:
            path.write_bytes(page.encode("utf-8", "replace"))  # names of files need not be UTF-8
        return place / REPORT_FILE

    # Once more when somebody edits the folder meanwhile: the page shows nobody who was forgotten.
    return History(place).steady(write)


def page_of(analysis: Analysis, folder: Path) -> str:
    """The page's HTML; addresses in it are relative to the folder."""
    style, script = _file("page.css"), _file("page.js")
    similarity, scorer = PeopleSimilarity(analysis), scorer_of_analysis(analysis)
    return Template(_file("page.html")).substitute(
        policy=_policy(style, script),
        style=style,
        script=script,
        data=json.dumps(timeline_data(analysis, folder)).replace("<", "\\u003c"),
        name=escaped(analysis.info.path.name),
        path=escaped(analysis.info.path),
        summary=facts.summary(analysis),
        people=people_panels(analysis, similarity),
        joined_from=scorer.in_words(scorer.min_log_odds),
        review=review_strip(analysis, similarity, folder),
        charts=run_charts(analysis.metrics),
        stages=facts.stages(analysis.performance),
        settings=facts.settings(analysis),
        device=facts.device(analysis.performance),
    )


def _policy(style: str, script: str) -> str:
    """Nothing but the page's own script and style runs; only files beside it are played."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _file(name: str) -> str:
    return files("facetrack.report").joinpath(name).read_text("utf-8")
