"""``facetrack report``: writes the report of finished analyses again."""

from facetrack.cli.options import Debug, Folders


def report(folders: Folders, debug: Debug = False) -> int:
    """Write report.html of analyses again, and print its path."""
    from facetrack.cli.terminal import say
    from facetrack.identity.folder import analysis_folder
    from facetrack.report import write_report

    for folder in folders:
        say(write_report(analysis_folder(folder)))
    return 0
