"""Writes the page from the folder of an analysis alone, so that it can be rewritten at any time."""

import os
from contextlib import suppress
from pathlib import Path

from facetrack.core.atomic_write import atomic_write
from facetrack.identity.people_similarity import PeopleSimilarity, scorer_of_analysis
from facetrack.identity.uncertain import MAY_BE_ONE, SURELY_ONE
from facetrack.report import content
from facetrack.report.charts import run_charts
from facetrack.report.review import review_entries
from facetrack.report.run_facts import RunFacts
from facetrack.report.template import rendered
from facetrack.report.timeline_data import timeline_data
from facetrack.timeline import Analysis
from facetrack.timeline.history import History

REPORT_FILE = "report.html"


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
    """
    place = Path(folder)

    def write() -> Path:
        page = page_of(Analysis.load(place), place)
        # An edit at the same time removes the unfinished file; then ``steady`` calls this again.
        with suppress(FileNotFoundError), atomic_write(place / REPORT_FILE) as path:
            path.write_bytes(page.encode("utf-8", "replace"))  # file names need not be UTF-8
        return place / REPORT_FILE

    # Repeated when the folder is edited meanwhile: the page must not show a forgotten person.
    return History(place).steady(write)


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
