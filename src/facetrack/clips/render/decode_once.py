"""Writes the clips of one task from one decode of the source; runs in a worker process.

A clip that fails does not stop the others of the task.
"""

from collections.abc import Iterator

import numpy as np

from facetrack.clips.render.clip_encoder import FAILURES, ClipEncoder, reason_of
from facetrack.clips.render.messages import Outcome, RenderTask
from facetrack.core.errors import InputError
from facetrack.media.encode import ColorInfo
from facetrack.media.frame_reader import FrameReader
from facetrack.media.sound import sound_format

STORAGE_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
"""Tags of the source that say how it is stored, not what it shows; clips do not get them."""


def write_clips(task: RenderTask) -> Iterator[Outcome]:
    """Writes all clips of a task; gives an outcome for each as soon as it is done."""
    try:
        with FrameReader.open(task.source, task.streams, task.clock) as reader:
            yield from _written(task, reader)
            return
    except InputError as error:
        message = str(error)
    except FAILURES as error:
        message = f"{task.source}: cannot be read any more ({reason_of(error)})"
    for job in task.jobs:
        yield Outcome(job.number, error=message)


def _written(task: RenderTask, reader: FrameReader) -> Iterator[Outcome]:
    tags = reader.container.metadata.items()
    metadata = {k: v for k, v in tags if k.lower() not in STORAGE_TAGS}
    sound = sound_format(task.source, task.streams)
    encoders = [ClipEncoder(task, job, sound, metadata) for job in task.jobs]
    clips = [job.clip for job in task.jobs]
    wanted, first = np.unique(np.concatenate([c.frames for c in clips]), return_index=True)
    times_s = np.concatenate([c.source_s for c in clips])[first]
    color: ColorInfo | None = None
    for number, frame, found in reader.frames(wanted, times_s):
        color = color or ColorInfo.of(frame, task.encoder.keeps_hdr)
        source = color.planes_of(frame)
        for encoder in [encoder for encoder in encoders if encoder.shows(number)]:
            try:
                encoder.show(number, source, color, found)
                if encoder.complete:
                    yield encoder.finish()
                    encoders.remove(encoder)
            except FAILURES as error:
                yield encoder.give_up(error)
                encoders.remove(encoder)
    for encoder in encoders:
        yield encoder.give_up(EOFError("the source has no frame there any more"))
