"""Where a film is cut into chunks changes neither people nor intervals nor tracks."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from facetrack.core.settings import DecodeSettings, Settings
from facetrack.demo import make_sample
from facetrack.media.decode import PyavSource
from facetrack.pipeline.analyze_chunk import analyze_chunk, streams_of
from facetrack.pipeline.chunk_plan import Chunk, chunk_plan
from facetrack.pipeline.engine import Engine, open_engine
from facetrack.pipeline.id_timeline_generator import IdTimelineGenerator
from facetrack.runtime.run_stats import RunStats

LENGTH = 48
SETTINGS = Settings(decode=DecodeSettings(chunk_frames=LENGTH))


@dataclass(frozen=True)
class Found:
    """What a plan gives, without numbers that follow from the order of chunks."""

    people: int
    intervals: list[tuple[int, float, float]]
    tracks: list[tuple[int, int, int]]
    """First frame, last frame and person of each."""
    dropped: list[tuple[int, int, str]]
    shots: list[int]
    faces: int


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine(SETTINGS.detection, SETTINGS.identity)


def short_chunks(film: Path) -> list[Chunk]:
    with PyavSource(film, streams_of(SETTINGS.decode)) as source:
        index = source.index()
    assert index is not None
    return chunk_plan(index, SETTINGS.decode, SETTINGS.detection)


def pairs(film: Path, chunks: list[Chunk], first: int) -> list[Chunk]:
    """Two successive chunks as one; the first one has ``first`` of them."""
    edges = [0, *range(first, len(chunks), 2), len(chunks)]
    with PyavSource(film, streams_of(SETTINGS.decode)) as source:
        index = source.index()
    assert index is not None
    joined = []
    for number, (begin, end) in enumerate(pairwise(edges)):
        a, b = chunks[begin], chunks[end - 1]
        span = index.span(a.span.first, b.span.first + len(b.span.ticks))
        joined.append(Chunk(number, a.first, b.stop, span, b.ends))
    return joined


def found(film: Path, chunks: list[Chunk], engine: Engine) -> Found:
    results = [analyze_chunk(film, chunk, SETTINGS, engine, RunStats()) for chunk in chunks]
    first = results[0]
    generator = IdTimelineGenerator(
        first.recognizer, first.featureless, SETTINGS.tracking, SETTINGS.identity
    )
    for result in results:
        generator.add(result)
    timeline = generator.finish(generator.frames.times_s[-1] + 0.04)
    return Found(
        len(timeline.people),
        sorted((i.person, i.start_s, i.end_s) for i in timeline.intervals),
        sorted((t.first_frame, t.last_frame, t.person) for t in timeline.tracks),
        sorted((d.first_frame, d.last_frame, d.reason) for d in timeline.dropped),
        generator.frames.shot_starts,
        generator.frames.faces,
    )


def check_seams(film: Path, engine: Engine) -> Found:
    chunks = short_chunks(film)
    here, moved = pairs(film, chunks, 2), pairs(film, chunks, 1)
    edges, moved_edges = {c.first for c in here[1:]}, {c.first for c in moved[1:]}
    assert edges and moved_edges and not edges & moved_edges
    expected = found(film, here, engine)
    assert found(film, moved, engine) == expected
    assert found(film, chunks, engine) == expected
    inside = [
        edge
        for edge in edges | moved_edges
        for first, last, person in expected.tracks
        if person and first < edge <= last
    ]
    assert inside, "no track lies over an edge"
    return expected


def test_all_edges_are_moved_by_half_a_chunk(pyfeat_data: Path, tmp_path: Path, engine: Engine):
    film = make_sample(pyfeat_data, tmp_path / "film.mp4")
    assert check_seams(film, engine).people == 7


def test_the_same_in_a_crowd_that_moves(shared_media: Path, engine: Engine):
    assert check_seams(shared_media / "concert_cuts.mp4", engine).people == 12
