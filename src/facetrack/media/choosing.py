"""Chooses the video and the audio stream of a file.

Every part of the program chooses here, so that all read the same streams. The best stream is
libav's (``av_find_best_stream``) among those that have a decoder, with one difference: a stream of
a few frames, as a cover that nothing marks as one, is never taken for the film, whatever else is
said of it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from facetrack.core.errors import InputError
from facetrack.core.types import StreamChoice
from facetrack.media.opening import open_media

StreamT = TypeVar("StreamT", VideoStream, AudioStream)

STILL = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
"""Marks of streams that are no film."""
IMPAIRED = Disposition.hearing_impaired | Disposition.visual_impaired
FILM_FRAMES = 5
"""So many frames at the beginning of a file make a film; as libav counts."""
COUNTED_PACKETS = 2000
COUNTED_BYTES = 64 << 20
"""How much of the beginning of a file is looked at to count frames."""


def video_stream(
    container: InputContainer, path: Path, number: int | None = None
) -> VideoStream | None:
    """The video stream to be read; None: there is none that can be decoded, and none was asked for.

    Args:
        path: of the opened file; it is opened again where frames must be counted.
        number: of the stream that is wanted; None: the best one.

    Raises:
        InputError: when the file has no such video stream, or none that can be decoded.
    """
    if number is not None:
        return _numbered(path, "video", container.streams.video, number)
    return next(iter(films_of(container, path)), None)


def sound_stream(
    container: InputContainer,
    path: Path,
    number: int | None = None,
    film: VideoStream | None = None,
) -> AudioStream | None:
    """The audio stream to be read; None: there is none that can be decoded, and none was asked for.

    Args:
        number: of the stream that is wanted; None: the best one.
        film: the video stream that is read: of several programs, its own has the sound.

    Raises:
        InputError: when the file has no such audio stream, or none that can be decoded.
    """
    tracks = container.streams.audio
    if number is not None:
        return _numbered(path, "audio", tracks, number)
    best = container.streams.best("audio", related=film)
    if isinstance(best, AudioStream) and is_decodable(best):
        return best
    able = [stream for stream in tracks if is_decodable(stream)]
    return max(able, key=lambda s: (_marks(s), s.codec_context.bit_rate or 0), default=None)


def films_of(container: InputContainer, path: Path) -> list[VideoStream]:
    """The video streams that can be decoded and are no covers or the like; the best one first.

    Where there are only unmarked streams of few frames, they are the films.
    """
    films = [s for s in container.streams.video if is_decodable(s) and not s.disposition & STILL]
    if len(films) < 2:
        return films
    counts = _counted(path, [stream.index for stream in films])

    def rank(stream: VideoStream) -> tuple[int, int, int, int]:
        context = stream.codec_context
        many = min(counts[stream.index], FILM_FRAMES)
        return many, _marks(stream), context.bit_rate or 0, context.width * context.height

    films.sort(key=rank, reverse=True)  # which keeps the order of equals
    return [s for s in films if min(counts[s.index], 2) == min(counts[films[0].index], 2)]


def is_decodable(stream: VideoStream | AudioStream) -> bool:
    """Whether libav has a decoder for it; PyAV gives a stream without one no context."""
    context: object = stream.codec_context
    return context is not None


def described(stream: VideoStream | AudioStream) -> str:
    """A stream in a few words, as ``1 (aac, 2 channels, eng, default)``."""
    facts = ["unknown codec"]
    if is_decodable(stream):
        facts = [stream.codec_context.codec.canonical_name]
        if isinstance(stream, VideoStream):
            facts.append(f"{stream.codec_context.width}x{stream.codec_context.height}")
        else:
            channels = stream.codec_context.channels
            facts.append("mono" if channels == 1 else f"{channels} channels")
    if (language := stream.metadata.get("language", "und")) != "und":
        facts.append(language)
    facts += ["default"] if stream.disposition & Disposition.default else []
    return f"{stream.index} ({', '.join(facts)})"


def notes_on(
    container: InputContainer,
    path: Path,
    film: VideoStream,
    sound: AudioStream | None,
    asked: StreamChoice,
) -> list[str]:
    """What the user should know of the choice, one line each: other films and tracks that could be
    read, and sound that nothing can decode.

    Args:
        film: the chosen video stream.
        sound: the chosen audio stream; None: there is none.
        asked: what the user chose; of that nothing is said.
    """
    notes = []
    films = [] if asked.video is not None else films_of(container, path)
    if len(films) > 1:
        notes.append(_choice("video", films, film, "is read"))
    tracks = container.streams.audio
    able = [stream for stream in tracks if is_decodable(stream)]
    if sound is not None and len(able) > 1 and asked.audio is None:
        notes.append(_choice("audio", able, sound, "is heard in clips"))
    if sound is None and tracks:
        named = " and ".join(described(stream) for stream in tracks)
        notes.append(f"FFmpeg cannot decode its sound, stream {named}; clips have no sound")
    return notes


def _choice(
    kind: str,
    streams: Sequence[VideoStream | AudioStream],
    chosen: VideoStream | AudioStream,
    what: str,
) -> str:
    named = ", ".join(described(s) for s in sorted(streams, key=lambda s: s.index))
    return (
        f"has {len(streams)} {kind} streams: {named}; {chosen.index} {what}, "
        f"--{kind}-stream takes another"
    )


def _marks(stream: VideoStream | AudioStream) -> int:
    """How well a stream's marks fit, as libav counts them."""
    return bool(stream.disposition & Disposition.default) + (not stream.disposition & IMPAIRED)


def _counted(path: Path, numbers: Sequence[int]) -> Counter[int]:
    """Number of packets of each stream at the beginning of the file, up to ``FILM_FRAMES``."""
    counts: Counter[int] = Counter()
    size = 0
    with open_media(path) as container:
        streams = [stream for stream in container.streams.video if stream.index in numbers]
        with suppress(av.error.FFmpegError):  # the file is cut off, or damaged from there on
            for packet in islice(packets_of(container, *streams), COUNTED_PACKETS):
                counts[packet.stream_index] += bool(packet.size)
                size += packet.size
                if min(counts[n] for n in numbers) >= FILM_FRAMES or size > COUNTED_BYTES:
                    break
    return counts


def _numbered(path: Path, kind: str, streams: Sequence[StreamT], number: int) -> StreamT:
    for stream in streams:
        if stream.index == number:
            if is_decodable(stream):
                return stream
            raise InputError(f"{path}: FFmpeg cannot decode {kind} stream {number}")
    there = ", ".join(described(stream) for stream in streams)
    there = f"it has {there}" if there else "it has none"
    raise InputError(f"{path}: no {kind} stream {number}; {there}")


def packets_of(container: InputContainer, *streams: StreamT) -> "Iterator[Packet[StreamT]]":
    """Packets of streams in the order of the file, and an empty one of each at the end.

    Raises:
        FFmpegError: where the file cannot be read any further.
    """
    while True:
        try:
            yield from cast("Iterator[Packet[StreamT]]", container.demux(*streams))
            return
        except IndexError:
            # A transport stream may begin another stream late, which PyAV does not know when it
            # asks whose packet this is. A second call counts the streams anew.
            continue
