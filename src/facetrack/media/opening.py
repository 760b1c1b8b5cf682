"""Opens every film that the program reads or writes.

A name is the name of a file, whatever characters it has: ``talk: part 1.mp4`` is no protocol. What
is in the file decides how it is read, but only formats that hold all they show are read: a playlist
could name any file or address, and show it. What more a process may open is a permission of the
process, in ``$FACETRACK_ALLOW``, and no setting: settings lie in folders, and folders are received
from others.
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import av.error
from av.container import InputContainer, OutputContainer

from facetrack.core.errors import InputError, UsageError

ALLOW = "FACETRACK_ALLOW"
"""Variable of the environment: ``playlists``, ``urls``, or both with a comma between."""
PERMISSIONS = ("playlists", "urls")

FILM_FORMATS = (
    "3g2", "3gp", "apng", "asf", "av1", "avi", "avs2", "avs3", "bink", "cavsvideo", "cdxl", "cine",
    "dhav", "dirac", "dnxhd", "dv", "evc", "film_cpk", "flic", "flv", "gif", "gxf", "h261", "h263",
    "h264", "hevc", "ingenient", "ivf", "jpegxl_anim", "kux", "live_flv", "lxf", "m4v", "matroska",
    "mjpeg", "mjpeg_2000", "mov", "mpeg", "mpegts", "mpegvideo", "mv", "mxf", "mxg", "nsv", "nut",
    "nuv", "obu", "ogg", "pva", "r3d", "rm", "roq", "smk", "swf", "ty", "vc1", "vc1test", "vvc",
    "wtv", "xmv", "yuv4mpegpipe",
)  # fmt: skip
"""libav's names of the containers and streams that are read; ``mlv``, which opens files beside it,
is none of them."""
SOUND_FORMATS = (
    "aac", "ac3", "aiff", "amr", "ape", "au", "caf", "eac3", "flac", "mp3", "w64", "wav",
)  # fmt: skip
"""Read too, so that a file of sound is told from one that is damaged."""
PLAYLIST_FORMATS = ("concat", "dash", "hls")
"""Read where playlists are allowed."""
URL_PROTOCOLS = ("http", "https", "httpproxy", "tcp", "tls")
"""Used where URLs are allowed."""
PLAYLIST_PROTOCOLS = ("crypto", "data")
"""Encrypted and inline parts of a playlist."""

URL = re.compile(r"(https?):/{1,2}(?=[^/])", re.IGNORECASE)
"""How a URL begins, also after ``Path`` has joined its slashes."""
HEAD_BYTES = 4096
PLAYLISTS = {
    b"#EXTM3U": "hls",
    b"ffconcat version": "concat",
    b"<MPD": "dash",
    b"v=0": "sdp",
    b";FFMETADATA": "ffmetadata",
    b"<AssetMap": "imf",
    b"<CompositionPlaylist": "imf",
    b"<SmoothStreamingMedia": "smooth streaming",
    b"[playlist]": "pls",
    b"<asx": "asx",
}
"""What the text of files that name other files begins with, after a declaration of XML."""
XML = re.compile(rb"\s*(<\?xml.*?\?>|<!--.*?-->)", re.DOTALL)
IMAGE_STARTS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0",
)  # fmt: skip
"""First bytes of images."""


class Refused(InputError):
    """The file, or what it names, is not opened; the message says what would allow it."""


def allowed() -> frozenset[str]:
    """What this process, and those that it starts, may open beside files that hold all they show.

    Raises:
        UsageError: when ``$FACETRACK_ALLOW`` names something else than ``PERMISSIONS``.
    """
    given = frozenset(filter(None, os.environ.get(ALLOW, "").replace(" ", "").split(",")))
    if unknown := sorted(given - set(PERMISSIONS)):
        raise UsageError(f"{ALLOW} names {unknown[0]!r}; it may name {' and '.join(PERMISSIONS)}")
    return given


def allow(permission: str) -> None:
    """Adds one of ``PERMISSIONS`` to what this process may open."""
    os.environ[ALLOW] = ",".join(sorted(allowed() | {permission}))


def is_url(path: Path) -> bool:
    """Whether the name is a URL, and no file has this name."""
    return URL.match(path.as_posix()) is not None and not os.path.lexists(path)


def absolute(path: Path) -> Path:
    """The path from the root of the file system; a URL as it is."""
    return path if is_url(path) else path.absolute()


def open_media(path: Path) -> InputContainer:
    """Opens a film; metadata that is not valid UTF-8 is no error.

    Raises:
        Refused: when it is no regular file, or a playlist or URL that is not allowed.
        FFmpegError: when libav cannot read it.
    """
    may = allowed()
    formats = [*FILM_FORMATS, *SOUND_FORMATS, *(PLAYLIST_FORMATS if "playlists" in may else ())]
    protocols = [*(PLAYLIST_PROTOCOLS if "playlists" in may else ())]
    protocols += URL_PROTOCOLS if "urls" in may else ()
    if is_url(path):
        url = URL.sub(r"\1://", path.as_posix())
        if "urls" not in may:
            raise Refused(f"{url}: is a URL, not a file; --allow-urls lets facetrack fetch it")
        return _opened(url, formats, protocols)  # without "file": no server names files of ours
    head = _head(path)
    try:
        return _opened(file_url(path), formats, ["file", *protocols])
    except av.error.FFmpegError as error:
        if refusal := _refusal(head, may):
            raise Refused(f"{path}: {refusal}") from None
        if not isinstance(error, av.error.ArgumentError):
            raise
    # libav takes a name such as %03d.png for a series of images, whatever the file is.
    with path.open("rb") as file:
        return _opened("fd:", formats, ["fd"], fd=str(file.fileno()))


def create_media(
    path: Path, container: str | None = None, options: Mapping[str, str] | None = None
) -> OutputContainer:
    """Opens a film to be written.

    Args:
        container: libav's name of the format; None: by the suffix of the name.
        options: of the format.

    Raises:
        FFmpegError: when the file cannot be written.
        ValueError: when no format has the suffix.
    """
    fixed = {**(options or {}), "protocol_whitelist": "file"}
    return av.open(file_url(path), "w", format=container, container_options=fixed)


def file_url(path: Path) -> str:
    """The file as libav takes it, so that no name is a protocol, an option or a pattern."""
    return f"file:{os.path.abspath(path)}"


def _opened(
    url: str, formats: Sequence[str], protocols: Sequence[str], **options: str
) -> InputContainer:
    lists = {"format_whitelist": ",".join(formats), "protocol_whitelist": ",".join(protocols)}
    return av.open(url, metadata_errors="replace", container_options={**lists, **options})


def _refusal(head: bytes, may: frozenset[str]) -> str | None:
    """Why a file is not read that begins like this; None: it is of no kind that is known."""
    if kind := _playlist(head):
        if kind not in PLAYLIST_FORMATS:
            return f"names other files ({kind}), which facetrack does not read"
        if "playlists" not in may:
            return (
                f"is a playlist ({kind}), which names other files; --allow-playlists lets "
                "facetrack read them"
            )
        if "urls" not in may and b"://" in head:
            return f"is a playlist ({kind}) of URLs; --allow-urls lets facetrack fetch them"
    if _is_animated_webp(head):
        return "is an animated WebP, which FFmpeg does not decode; convert it to a GIF or an MP4"
    if head.startswith(IMAGE_STARTS) or head[8:12] == b"WEBP":
        return "is an image, not a video"
    return None


def _head(path: Path) -> bytes:
    """The first bytes of the file."""
    require_regular(path)
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise Refused(f"{path}: cannot be read ({error.strerror})") from error


def require_regular(path: Path) -> None:
    """A device, a pipe or a socket may give bytes without end, or none for ever.

    Raises:
        Refused: when the path is no regular file.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: cannot be read ({error})") from error
    if not stat.S_ISREG(mode):
        raise Refused(f"{path}: is no regular file")


def _playlist(head: bytes) -> str | None:
    """Kind of a file that names other files; None: it is none."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    while found := XML.match(text):
        text = text[found.end() :]
    text = text.lstrip().lower()
    return next((kind for start, kind in PLAYLISTS.items() if text.startswith(start.lower())), None)


def _is_animated_webp(head: bytes) -> bool:
    """Whether the file's extended header (container specification of WebP) has the flag."""
    return head[8:16] == b"WEBPVP8X" and bool(head[20:21] and head[20] & 2)
