"""Writes clips that share one decode; runs in a worker process.

A clip that fails does not stop those beside it.
"""

from collections.abc import Iterator

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from facetrack.clips.render.clip_encoder import FAILURES, ClipInWork, said
from facetrack.clips.render.messages import Outcome, Task
from facetrack.media.encode import Look
from facetrack.media.frame_reader import FrameReader
from facetrack.media.sound import sound_format
from facetrack.media.streams import open_media, video_stream
from facetrack.media.upright import Upright

OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
"""Tags that say how the source is stored, not what it shows."""


def write_clips(task: Task) -> Iterator[Outcome]:
    """One outcome a clip, as each is done."""
    try:
        with open_media(task.source) as container:
            stream = video_stream(container)
            if stream is not None:
                yield from _written(task, container, stream)
                return
            reason = "no video in it"
    except FAILURES as error:
        reason = said(error)
    for job in task.jobs:
        yield Outcome(job.number, error=f"{task.source} cannot be read any more ({reason})")


def _written(task: Task, container: InputContainer, stream: VideoStream) -> Iterator[Outcome]:
    reader = FrameReader(container, stream)
    metadata = {k: v for k, v in container.metadata.items() if k.lower() not in OF_THE_FILE}
    sound = sound_format(task.source)
    in_work = [
        ClipInWork(task, job, reader.ticks(job.clip.source_s), sound, metadata) for job in task.jobs
    ]
    wanted = np.unique(np.concatenate([clip.ticks for clip in in_work]))
    look: Look | None = None
    for tick, image, found in reader.frames(wanted):
        look = look or Look.of(image, stream.sample_aspect_ratio)
        upright = Upright.of(image, look.matrix)
        for clip in [clip for clip in in_work if clip.shows(tick)]:
            try:
                clip.show(tick, upright, look, found)
                if clip.complete:
                    yield clip.finish()
                    in_work.remove(clip)
            except FAILURES as error:
                yield clip.give_up(error)
                in_work.remove(clip)
    for clip in in_work:
        yield clip.give_up(EOFError("the source has no frame there any more"))
