"""Encodes one clip while the frames of its source are decoded.

The file has a temporary name until it is complete.
"""

import os
import wave
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.clips.render.freeze_frame import FreezeFrames
from facetrack.clips.render.messages import ClipJob, Outcome, RenderTask
from facetrack.clips.render.reframe import reframe
from facetrack.core.errors import ClipError, InputError
from facetrack.core.types import Image
from facetrack.media.encode import TIME_BASE, ClipWriter, ColorInfo
from facetrack.media.planar import UprightPlanes, darken
from facetrack.media.sound import Samples, SoundFile, SoundFormat, int16, sample_counts

FAILURES = (av.error.FFmpegError, OSError, EOFError, ValueError, ClipError, InputError)
"""What a damaged source, an encoder or a full disk may raise."""

MOST_MISSING = 0.1
"""Maximum share of a clip's frames that are replaced by a neighbour, in a damaged source."""


class ClipEncoder:
    """Writes one clip, frame by frame in order; ended by ``finish`` or ``give_up``."""

    def __init__(
        self,
        task: RenderTask,
        job: ClipJob,
        sound: SoundFormat | None,
        metadata: Mapping[str, str],
    ) -> None:
        """Opens nothing yet.

        Args:
            sound: sample rate and layout; None: no sound.
            metadata: tags of the container.
        """
        self._task, self._job, self._clip = task, job, job.clip
        self._sound_format, self._metadata = sound, metadata
        self._sound: Iterator[Samples] = iter(())
        self._sound_file: SoundFile | None = None
        self._pts = _rising(np.rint(job.clip.edges_s / float(TIME_BASE)).astype(np.int64))
        self._shown = self._missing = 0
        self._freeze_frames = FreezeFrames(task.source, task.streams, task.clock)
        self._writer: ClipWriter | None = None
        self._open_files = ExitStack()

    @property
    def complete(self) -> bool:
        """Whether all frames of the clip are written."""
        return self._shown == len(self._clip.frames)

    def shows(self, number: int) -> bool:
        """Whether the clip's next frame shows this frame of the source."""
        return not self.complete and bool(self._clip.frames[self._shown] == number)

    def show(self, number: int, source: UprightPlanes, color: ColorInfo, found: bool) -> None:
        """Encodes a frame as often as the clip shows it, and the sound of that time.

        Args:
            number: of the frame in the source.
            color: the source's colours, which the clip keeps.
            found: false where a neighbour takes the place of a frame that cannot be read.
        """
        if self._writer is None:
            self._writer = self._open(source, color)
        while self.shows(number):
            start, end = self._pts[self._shown : self._shown + 2].tolist()
            self._writer.write_frame(self._image(source, color), start, end - start)
            self._shown += 1
            self._missing += not found
            self._write_sound(self._writer, end)
            self._check_size(self._writer)

    def finish(self) -> Outcome:
        """Closes the file and gives it its final name.

        Raises:
            ClipError: when too many frames could not be read, or the file is too large.
        """
        if self._missing > MOST_MISSING * len(self._clip.frames):
            wanted = len(self._clip.frames)
            raise ClipError(f"{self._missing} of {wanted} frames could not be read again")
        assert self._writer is not None
        self._write_sound(self._writer, None)
        job = self._job
        if job.wav is not None and job.partial_wav is not None and self._sound_file is not None:
            self._write_wav(job.partial_wav, self._sound_file)
        trouble = None if self._sound_file is None else self._sound_file.trouble
        self._open_files.close()
        self._check_size(self._writer)
        if job.wav is not None and job.partial_wav is not None and self._sound_file is not None:
            os.replace(job.partial_wav, job.wav)
        os.replace(job.partial, job.path)
        return Outcome(job.number, self._shown, self._writer.samples, trouble)

    def give_up(self, error: BaseException) -> Outcome:
        """Removes what was written."""
        with suppress(*FAILURES):
            self._open_files.__exit__(type(error), error, None)
        self._job.remove_partials()
        return Outcome(self._job.number, error=f"could not be written ({reason_of(error)})")

    def _check_size(self, writer: ClipWriter) -> None:
        most = self._task.most_bytes
        if writer.bytes > most:
            raise ClipError(
                f"it has more bytes than limits.output_bytes = {most:,}; choose a lower quality, "
                "or raise the limit in a file for --config"
            )

    def _open(self, source: UprightPlanes, color: ColorInfo) -> ClipWriter:
        self._job.path.parent.mkdir(parents=True, exist_ok=True)
        size = self._clip.size
        if self._task.overlay is not None:
            width, height = self._task.overlay.size_of(source.size)
            size = (width & ~1, height & ~1)
        frames, seconds = len(self._clip.frames), float(self._clip.edges_s[-1])
        fps = Fraction(frames / seconds).limit_denominator(1001)
        writer = None
        encoder = self._task.encoder
        while writer is None:
            try:
                writer = ClipWriter(
                    self._job.partial, encoder, size, fps, color, self._sound_format, self._metadata
                )
            except av.error.FFmpegError:
                if encoder.instead is None:
                    raise
                encoder = encoder.instead
        self._pix_fmt, self._size = encoder.pix_fmt, size
        if self._sound_format is not None:
            self._sound_file = self._open_files.enter_context(
                SoundFile(self._task.source, self._task.streams, self._task.clock.joins)
            )
            self._sound = self._sound_of_all(self._sound_file, self._sound_format)
        return self._open_files.enter_context(writer)

    def _image(self, source: UprightPlanes, color: ColorInfo) -> VideoFrame:
        """The clip's frame number ``_shown``."""
        panels = self._clip.panels
        if self._task.overlay is not None:
            image = self._task.overlay.drawn(
                source.rgb(),
                int(self._clip.frames[self._shown]),
                [
                    (int(p.people[self._shown]), p.crops[self._shown])
                    for p in panels
                    if np.isnan(p.still_s[self._shown])
                ],
            )
            return color.image_of(_fitted(image, self._size), self._pix_fmt)
        frame = VideoFrame(*self._size, self._pix_fmt)
        if sum(w * h for _, _, w, h in (p.place for p in panels)) < self._size[0] * self._size[1]:
            darken(frame, color.full_range)
        for number, panel in enumerate(panels):
            crop, still_s = panel.crops[self._shown], panel.still_s[self._shown]
            if np.isnan(still_s):
                reframe(source, crop, frame, panel.place)
            else:
                self._freeze_frames.show(number, still_s, crop, color, frame, panel.place)
        return frame

    def _write_sound(self, writer: ClipWriter, until: int | None) -> None:
        """Writes sound up to a time in ``TIME_BASE``; None: all that is left.

        Frames and sound are interleaved, so that the file plays while it is downloaded.
        """
        if self._sound_format is None:
            return
        rate = self._sound_format[0]
        while until is None or writer.samples * TIME_BASE.denominator < until * rate:
            part = next(self._sound, None)
            if part is None:
                return
            writer.write_sound(part)

    def _sound_of_all(self, file: SoundFile, sound: SoundFormat) -> Iterator[Samples]:
        ranges = self._clip.segment.ranges
        counts = sample_counts(
            [frame_range.end_s - frame_range.start_s for frame_range in ranges],
            float(self._clip.edges_s[-1]),
            sound[0],
        )
        starts = [frame_range.start_s for frame_range in ranges]
        return file.ranges(list(zip(starts, counts, strict=True)), sound)

    def _write_wav(self, path: Path, sound: SoundFile) -> None:
        assert self._task.wav_rate is not None
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self._task.wav_rate)
            for part in self._sound_of_all(sound, (self._task.wav_rate, "mono")):
                file.writeframes(int16(part).tobytes())


def _fitted(image: Image, size: tuple[int, int]) -> Image:
    """The image in a frame of this width and height: cut by an odd row or column, or scaled.

    A film whose frames change their size gives images of another size; what they do not fill is
    black.
    """
    (width, height), (high, wide) = size, image.shape[:2]
    if (wide & ~1, high & ~1) == size:
        return image[:height, :width]
    scale = min(width / wide, height / high)
    fit = max(1, round(wide * scale)), max(1, round(high * scale))
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    scaled = frame.reformat(*fit, interpolation="BICUBIC").to_ndarray()
    fitted = np.zeros((height, width, 3), np.uint8)
    left, top = (width - fit[0]) // 2, (height - fit[1]) // 2
    fitted[top : top + fit[1], left : left + fit[0]] = scaled
    return fitted


def _rising(pts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times of which each is one unit later than the one before at least: no frame may last 0."""
    steps = np.arange(len(pts))
    return np.asarray(np.maximum.accumulate(pts - steps) + steps)


def reason_of(error: BaseException) -> str:
    """What an error says, without numbers and addresses."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
