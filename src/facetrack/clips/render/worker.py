"""``python -m facetrack.clips.render.worker``: the process that writes clips.

Takes ``RenderTask`` objects; answers with ``Outcome`` objects. It imports only what it needs,
because to start a process takes longer than to write a short clip.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from facetrack.runtime.worker_process import serve

if TYPE_CHECKING:
    from facetrack.clips.render.messages import RenderTask


def _prepare() -> "Callable[[RenderTask, Callable[[object], None]], Iterable[object]]":
    from facetrack.clips.render.decode_once import write_clips

    return lambda task, _: write_clips(task)


if __name__ == "__main__":
    serve(_prepare)
