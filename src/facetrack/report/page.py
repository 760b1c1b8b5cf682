"""Writes the page from the folder of an analysis alone, so that it can be rewritten at any time."""

import hashlib
import os
from contextlib import nullcontext
from pathlib import Path

from facetrack.core.atomic_write import atomic_write
from facetrack.core.folder_lock import locked
from facetrack.identity.people_similarity import PeopleSimilarity, scorer_of_analysis
from facetrack.identity.uncertain import MAY_BE_ONE, SURELY_ONE
from facetrack.report import content
from facetrack.report.charts import run_charts
from facetrack.report.content import RunFacts
from facetrack.report.review import review_entries
from facetrack.report.template import rendered
from facetrack.report.timeline_data import timeline_data
from facetrack.timeline import Analysis

REPORT_FILE = "report.html"
SEAL = b"<!-- sha256 %s -->\n"
SEAL_OF_NOTHING = SEAL % (b"0" * 64)


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Writes ``report.html`` into the folder of an analysis, as a whole or not at all.

    Everything comes from the folder: the timeline, thumbnails, samples of the run, and the clips in
    it. Faces of uncertain tracks are cut out of the video if it still exists.

    Args:
        folder: the folder that ``Analysis.save`` wrote.

    Returns:
        The page's path.

    Raises:
        InputError: when the folder does not hold a whole analysis.
        OSError: when the page cannot be written.
        OutputError: when another process is at work in the folder.
    """
    place = Path(folder)

    # An edit meanwhile could leave a page that shows a forgotten person.
    with locked(place, brief=True) if place.is_dir() else nullcontext():
        page = sealed(page_of(Analysis.load(place), place))
        with atomic_write(place / REPORT_FILE) as path:
            path.write_bytes(page)
    return place / REPORT_FILE


def sealed(html: str) -> bytes:
    """The page as it is written: it ends with the SHA-256 of all before."""
    page = html.encode("utf-8", "replace")  # file names need not be UTF-8
    return page + SEAL % hashlib.sha256(page).hexdigest().encode()


def is_whole(page: bytes) -> bool:
    """Whether a page is as it was written; one of version 0.1 only has to end as a page does."""
    html, seal = page[: -len(SEAL_OF_NOTHING)], page[-len(SEAL_OF_NOTHING) :]
    if not seal.startswith(SEAL[:10]):
        return page.rstrip().endswith(b"</html>")
    return seal == SEAL % hashlib.sha256(html).hexdigest().encode()


def page_of(analysis: Analysis, folder: Path) -> str:
    """HTML of the page; its addresses are relative to ``folder``."""
    similarity, scorer = PeopleSimilarity(analysis), scorer_of_analysis(analysis)
    run = RunFacts.of(analysis)
    return rendered(
        name=analysis.info.path.name,
        path=str(analysis.info.path),
        facts=content.video_facts(analysis, run),
        warnings=content.warnings_of(analysis),
        panels=content.person_panels(analysis, similarity),
        merged_from=scorer.in_words(scorer.min_log_odds),
        entries=review_entries(analysis, similarity, folder),
        may_be_one=MAY_BE_ONE,
        surely_one=SURELY_ONE,
        charts=run_charts(analysis.metrics),
        stages=run.stages,
        environment=content.run_environment(run),
        settings=content.setting_groups(analysis),
        timeline=timeline_data(analysis, folder),
    )
