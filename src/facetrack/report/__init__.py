"""``report.html``: one page that a person opens to understand a video; it needs no network."""

from facetrack.report.page import write_report

__all__ = ["write_report"]
