"""Works on many films in one process, or on one long film, and says whether anything grows.

    python tools/soak.py VIDEO... [--films 200] [--seconds 1] [--render-every 10]
    python tools/soak.py VIDEO --hours 10

The first form analyses ``--films`` films, ``--seconds`` of each, without an engine of its own, and
makes clips of every tenth. The second one analyses a film of that length, which it makes of the
packets of ``VIDEO``, end to end. Prints a line of JSON for each quarter; the exit code is 1 when
threads, handles, processes or objects of Python grow, or memory by more than a tenth.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import psutil

import facetrack
from facetrack.jobs.progress import Progress
from facetrack.media.opening import create_media, open_media

WARM = 0.5
"""Share of a run after which nothing may grow: by then all modules are loaded, and the networks
for the sizes of these films."""
MORE_OBJECTS = 1.01
MORE_MEMORY = 1.10


class Usage(NamedTuple):
    """What this process holds."""

    threads: int
    handles: int
    processes: int
    objects: int
    """Of Python, as the collector counts them."""
    rss_mib: int

    @classmethod
    def now(cls) -> "Usage":
        gc.collect()
        process = psutil.Process()
        return cls(
            process.num_threads(),
            process.num_fds(),
            len(process.children(recursive=True)),
            len(gc.get_objects()),
            process.memory_info().rss >> 20,
        )

    def grew_since(self, before: "Usage") -> list[str]:
        """The quantities that are more than they were, or more than noise in those that move."""
        counts = ("threads", "handles", "processes")
        grown = [name for name in counts if getattr(self, name) > getattr(before, name)]
        if self.objects > MORE_OBJECTS * before.objects:
            grown.append("objects")
        if self.rss_mib > MORE_MEMORY * before.rss_mib:
            grown.append("rss_mib")
        return grown


def of_many(videos: list[Path], films: int, seconds: float, render_every: int) -> Iterator[Usage]:
    """The usage after each film."""
    with tempfile.TemporaryDirectory() as folder:
        for number, video in enumerate(islice(cycle(videos), films)):
            analysis = facetrack.analyze(video, duration_s=seconds)
            if number % render_every == 0:
                analysis.save(folder)
                wanted = facetrack.ClipSettings(target=("all",), size=128, min_length_s=0, jobs=1)
                for clip in facetrack.render(analysis, folder, wanted):
                    assert clip.error is None, clip.error
            del analysis
            yield Usage.now()


def of_one(video: Path, hours: float) -> Iterator[Usage]:
    """The usage after each hundredth of a long film."""
    with tempfile.TemporaryDirectory() as folder:
        film = long_film(video, Path(folder) / "long.mkv", hours)
        seen: list[Usage] = []
        part = 0

        def look(now: Progress) -> None:
            nonlocal part
            share = now.frames / (now.expected_frames or now.frames)
            if int(100 * share) > part:
                part = int(100 * share)
                seen.append(Usage.now())

        analysis = facetrack.analyze(film, on_progress=look)
        print(json.dumps({"frames": analysis.info.frame_count, "people": len(analysis.people)}))
        yield from seen


def long_film(video: Path, film: Path, hours: float) -> Path:
    """Packets of a video, end to end, until the film has this length."""
    with create_media(film) as output:
        stream, begin_s = None, 0.0
        while begin_s < hours * 3600:
            with open_media(video) as source:
                given = source.streams.video[0]
                stream = stream or output.add_stream_from_template(given)
                assert given.time_base is not None
                shift = round(Fraction(begin_s) / given.time_base)
                for packet in source.demux(given):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    output.mux(packet)
                assert given.duration is not None
                begin_s += float(given.duration * given.time_base)
    return film


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--render-every", type=int, default=10)
    parser.add_argument("--hours", type=float)
    given = parser.parse_args()
    started = time.monotonic()
    if given.hours is None:
        after_each = of_many(given.videos, given.films, given.seconds, given.render_every)
    else:
        after_each = of_one(given.videos[0], given.hours)
    usages = list(after_each)
    for quarter in range(1, 5):
        at = max(0, len(usages) * quarter // 4 - 1)
        print(json.dumps({"at": at + 1, **usages[at]._asdict()}), flush=True)
    grown = usages[-1].grew_since(usages[int(WARM * len(usages))])
    print(json.dumps({"seconds": round(time.monotonic() - started, 1), "grew": grown}))
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
