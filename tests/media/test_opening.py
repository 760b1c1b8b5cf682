"""A name is the name of a file, and only what holds all it shows is read, unless it is allowed."""

import os
import shutil
import socket
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest
from PIL import Image

from facetrack.core.errors import InputError, UsageError
from facetrack.media.decode import PyavSource
from facetrack.media.frame_reader import FrameReader
from facetrack.media.images import ImageError, open_image
from facetrack.media.opening import (
    ALLOW,
    PLAYLIST_FORMATS,
    Refused,
    allow,
    create_media,
    open_media,
)
from facetrack.media.sound import sound_format
from made.media import make_video

NAMES = [
    "talk: part 1.mp4", "concat:a|b.mp4", "-i.mp4", "two\nlines.mp4", "...mp4", "%03d.mp4",
    "%03d.png", "shot*?[a].jpg", "file:x.mp4", "subfile,,start,0,end,9,,:x.mp4", "pipe:0",
    "http:x.mp4", "a#b?c=d&e.mp4", " 100% ", "lavfi", "no suffix", "movie.m3u8", "pre\\post.mp4",
    "crypto+file:k.mp4", "'quoted' \"twice\".mp4", "e\N{COMBINING ACUTE ACCENT}.mp4",
]  # fmt: skip
if sys.platform == "linux":
    NAMES.append(os.fsdecode(b"\xff\xfe.mp4"))  # not UTF-8

PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile 'secret.ts'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\nsecret.ts\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?>\n<!-- of ours -->\n<MPD type="static"></MPD>\n',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "ffmetadata": ";FFMETADATA1\ntitle=x\n",
    "imf": '<?xml version="1.0"?><AssetMap xmlns="x"></AssetMap>',
    "pls": "[playlist]\nFile1=secret.ts\n",
}


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch):
    """``allow`` changes the environment of the process."""
    monkeypatch.setenv(ALLOW, "")


@pytest.fixture
def listener():
    """A socket that would see a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connections(listener: socket.socket) -> int:
    """How many were asked for until now; the kernel accepts them before we do."""
    listener.setblocking(False)
    seen = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return seen
        seen += 1


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    make_video(path, frames=12, beeps=True)
    return path


@pytest.fixture(scope="module")
def transport_stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "film.ts"
    make_video(path, frames=12)
    return path


def frame_count(path: Path) -> int:
    with PyavSource(path) as source:
        return sum(1 for _ in source.frames())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_read(tmp_path, monkeypatch, film, name):
    """From the folder itself too, where the name has nothing before it."""
    shutil.copyfile(film, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, Path(name)):
        assert frame_count(path) == 12
        assert sound_format(path) == (48000, "mono")
        with FrameReader.open(path) as reader:
            assert reader.stream.width == 96


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with create_media(Path(name), "mp4", {"movflags": "+faststart"}) as film:
        stream = film.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for packet in (*stream.encode(av.VideoFrame(32, 32, "yuv420p")), *stream.encode(None)):
            film.mux(packet)
    assert os.listdir(tmp_path) == [name]
    assert frame_count(tmp_path / name) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".txt"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_is_refused(tmp_path, transport_stream, kind, suffix):
    """Whatever its name says it is; the line says what allows it, or that it is no video."""
    shutil.copyfile(transport_stream, tmp_path / "secret.ts")
    path = tmp_path / f"list{suffix}"
    path.write_text(PLAYLISTS[kind])
    for opened in (PyavSource, FrameReader.open):
        with pytest.raises(Refused, match="names other files") as caught:
            opened(path)
        assert f"({kind})" in str(caught.value)
        assert ("--allow-playlists" in str(caught.value)) == (kind in PLAYLIST_FORMATS)


@pytest.mark.parametrize("kind", ["concat", "hls"])
def test_a_playlist_is_read_where_it_is_allowed(tmp_path, transport_stream, kind):
    shutil.copyfile(transport_stream, tmp_path / "secret.ts")
    path = tmp_path / "list.m3u8"
    path.write_text(PLAYLISTS[kind])
    allow("playlists")
    assert frame_count(path) == 12


def test_a_url_is_not_fetched(tmp_path, monkeypatch, listener):
    """Neither one that is given, nor one that a playlist names."""
    host = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for path in (Path(f"{host}/film.mp4"), Path(f"HTTP://{host[7:]}/film.mp4")):
        with pytest.raises(Refused, match="is a URL, not a file; --allow-urls"):
            PyavSource(path)
    path = tmp_path / "list.m3u8"
    path.write_text(PLAYLISTS["hls"].replace("secret.ts", f"{host}/film.ts"))
    for permission, wanted in (("", "--allow-playlists"), ("playlists", "--allow-urls")):
        monkeypatch.setenv(ALLOW, permission)
        with pytest.raises(Refused, match=wanted):
            PyavSource(path)
    assert connections(listener) == 0


def test_a_folder_that_is_called_like_a_host(tmp_path, monkeypatch, listener, film):
    """A file is a file, also at ``http:/127.0.0.1:80/film.mp4``."""
    monkeypatch.chdir(tmp_path)
    path = Path(f"http://127.0.0.1:{listener.getsockname()[1]}/film.mp4")
    path.parent.mkdir(parents=True)
    shutil.copyfile(film, path)
    assert frame_count(path) == 12
    assert connections(listener) == 0


def test_a_url_is_fetched_where_it_is_allowed(transport_stream):
    handler = partial(SimpleHTTPRequestHandler, directory=str(transport_stream.parent))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            allow("urls")
            path = Path(f"http://127.0.0.1:{server.server_port}/film.ts")
            assert frame_count(path) == 12
            with PyavSource(path) as source:
                list(source.frames())
                assert source.info().path == path
        finally:
            server.shutdown()
            thread.join()


def test_a_server_names_no_files_of_ours(tmp_path, transport_stream):
    """A playlist that was fetched cannot read what lies on this machine."""
    playlist = PLAYLISTS["hls"].replace("secret.ts", transport_stream.as_uri())
    (tmp_path / "list.m3u8").write_text(playlist)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            allow("urls")
            allow("playlists")
            with pytest.raises(InputError):
                PyavSource(Path(f"http://127.0.0.1:{server.server_port}/list.m3u8"))
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_what_is_no_regular_file_is_refused(tmp_path):
    """At once: a pipe that nobody writes to would never give a byte."""
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", Path("/dev/zero")):
        for opened in (open_media, FrameReader.open):
            with pytest.raises(Refused, match="is no regular file"):
                opened(path)
        with pytest.raises(ImageError, match="is no regular file"):
            open_image(path)


@pytest.mark.parametrize(("kind", "said"), [
    ("PNG", "is an image"), ("JPEG", "is an image"), ("BMP", "is an image"),
    ("WEBP", "is an image"), ("TIFF", "is an image"), ("animated WEBP", "animated WebP"),
])  # fmt: skip
def test_an_image_is_no_video(tmp_path, kind, said):
    path = tmp_path / "image.mp4"
    more = [Image.new("RGB", (64, 48), "red")] if kind.startswith("animated") else []
    options = {"save_all": True, "append_images": more} if more else {}
    Image.new("RGB", (64, 48)).save(path, kind.split()[-1], **options)
    with pytest.raises(InputError, match=said):
        PyavSource(path)


def test_an_animated_image_is_a_video(tmp_path):
    path = tmp_path / "moving.gif"
    images = [Image.new("RGB", (64, 48), color) for color in ("red", "green", "blue")]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    assert frame_count(path) == 3


def test_an_image_that_would_start_a_program_is_refused(tmp_path):
    """EPS is drawn by Ghostscript."""
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.jpg", "EPS")
    with pytest.raises(ImageError):
        open_image(tmp_path / "photo.jpg")


def test_a_permission_that_does_not_exist(tmp_path, monkeypatch, film):
    monkeypatch.setenv(ALLOW, "everything")
    with pytest.raises(UsageError, match="'everything'"):
        open_media(film)


def test_nothing_else_opens_media():
    """Every other place would have to know all of this again."""
    root = Path(__file__).parents[2]
    own = {root / "src/facetrack/media/opening.py", root / "src/facetrack/media/images.py"}
    for folder in ("src", "benchmarks", "tools"):
        for path in sorted((root / folder).rglob("*.py")):
            if path not in own:
                text = path.read_text("utf-8")
                assert "av.open(" not in text and "Pillow.open(" not in text, path
                assert "Image.open(" not in text, path
