"""``report.html``: one page that shows a person what is in a video; it needs no network."""

from facetrack.report.page import write_report

__all__ = ["write_report"]
