"""Data that a decoder puts beside a frame, as its display matrix."""

from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame


def side_data(frame: VideoFrame, name: str) -> bytes | None:
    """The data of a kind; None: there is none, or it cannot be told.

    ``frame.side_data`` would make frame and data refer to each other: the frame, and with it the
    threads of its decoder, would live until Python looks for such cycles.

    Args:
        name: as in ``av.sidedata.sidedata.Type``.
    """
    try:
        data = SideDataContainer(frame).get(name)  # type: ignore[call-arg]
    except ValueError:  # there is data of a kind that PyAV has no name for
        return None
    return bytes(data) if isinstance(data, SideData) else None
