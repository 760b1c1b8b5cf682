"""Playlists and URLs on the command line: refused in a line, and read where an option says so."""

import socket

import pytest

from made.command import facetrack, one_line
from made.media import make_video


@pytest.fixture
def playlist(tmp_path):
    """An HLS playlist of a film of ten frames."""
    make_video(tmp_path / "part.ts", frames=10)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:0.4,", "part.ts", "#EXT-X-ENDLIST"]
    path = tmp_path / "film.m3u8"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_playlist_needs_its_option(playlist, tmp_path):
    done = facetrack("analyze", playlist, "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 3
    assert "--allow-playlists" in one_line(done.stderr)
    done = facetrack("analyze", playlist, "-o", tmp_path / "out", "--quiet", "--allow-playlists")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "film" / "timeline.json").is_file()


def test_a_url_needs_its_option(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/film.mp4"
        done = facetrack("run", url, "-o", tmp_path / "out")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert done.returncode == 3
    line = one_line(done.stderr)
    assert url in line and "--allow-urls" in line
