"""Compares two result folders of ``facetrack run``: ``python tools/compare_runs.py RUN_A RUN_B``.

Prints one line for each difference and ends with code 1, or prints what was compared and ends with
code 0. Compared are: every Parquet table (columns and values, to the last bit), ``embeddings.npz``,
the thumbnails, ``timeline.json`` except what depends on the time or the machine of the run, the
JSON lines of data sets, and of every clip the decoded frames, the decoded samples and their times.
A folder that holds the results of several videos is compared video by video.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facetrack.media.opening import open_media

OF_THE_RUN = {
    "seconds", "frames_per_second", "stages", "batch_sizes", "batch_size_changes", "metrics",
    "machine", "versions",
}  # fmt: skip
"""Keys of ``performance`` in ``timeline.json`` that differ between two runs of the same code."""
NOT_COMPARED = {"metrics.jsonl", "report.html", "files.json", "jobs.sqlite"}
"""Measurements over the time of the run, a page made of the other files, their hashes, and the
table of films with the times of the run."""
MEDIA = {".mp4", ".mov", ".wav"}


def differences(a: Path, b: Path) -> Iterator[str]:
    """One line for each difference between two folders; compares the files they have in common."""
    names = [{p.relative_to(folder) for p in folder.rglob("*") if p.is_file()} for folder in (a, b)]
    for name in sorted(names[0] ^ names[1]):
        yield f"{name}: only in {a if name in names[0] else b}"
    for name in sorted(names[0] & names[1]):
        if name.name not in NOT_COMPARED:
            yield from (f"{name}: {what}" for what in file_differences(a / name, b / name))


def file_differences(a: Path, b: Path) -> Iterator[str]:
    """Differences between two files of the same kind, as the file's suffix says."""
    if a.name == "timeline.json":
        yield from json_differences(timeline_of(a), timeline_of(b))
    elif a.suffix == ".jsonl":
        yield from json_differences(manifest_of(a), manifest_of(b))
    elif a.suffix == ".parquet":
        yield from table_differences(pq.read_table(a), pq.read_table(b))
    elif a.suffix == ".npz":
        yield from array_differences(a, b)
    elif a.suffix in MEDIA:
        yield from media_differences(a, b)
    elif a.read_bytes() != b.read_bytes():
        yield "other bytes"


def timeline_of(path: Path) -> dict[str, Any]:
    """The timeline without what belongs to the run: its times, its machine, and its folders."""
    timeline: dict[str, Any] = json.loads(path.read_text())
    performance = timeline.get("performance", {})
    timeline["performance"] = {k: v for k, v in performance.items() if k not in OF_THE_RUN}
    if "path" in timeline.get("source", {}):
        timeline["source"]["path"] = Path(timeline["source"]["path"]).name
    return timeline


def manifest_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a data set's file, without the folder of the source."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        line | {"source": Path(line["source"]).name} if "source" in line else line for line in lines
    ]


def json_differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Each value that differs, with the path of keys and positions that leads to it."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            if key in a and key in b:
                yield from json_differences(a[key], b[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} only in the {'first' if key in a else 'second'}"
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield f"{path} has {len(a)} and {len(b)} entries"
        for i, (one, other) in enumerate(zip(a, b, strict=False)):
            yield from json_differences(one, other, f"{path}[{i}]")
    elif a != b or type(a) is not type(b):
        yield f"{path} is {a!r} and {b!r}"


def table_differences(a: pa.Table, b: pa.Table) -> Iterator[str]:
    """Other columns or types, another number of rows, and rows whose values differ."""
    if a.schema != b.schema:
        yield f"columns are {flat(a.schema)} and {flat(b.schema)}"
        return
    if len(a) != len(b):
        yield f"{len(a)} and {len(b)} rows"
        return
    for name in a.column_names:
        different = different_rows(a[name].combine_chunks(), b[name].combine_chunks())
        if len(different):
            row = different[0]
            yield (
                f"column {name}: {len(different)} of {len(a)} rows differ; row {row} is "
                f"{a[name][row]} and {b[name][row]}"
            )


def flat(schema: pa.Schema) -> str:
    """The columns of a table on one line."""
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def different_rows(a: pa.Array, b: pa.Array) -> list[int]:
    """Positions whose values differ; floats by their bits, so that NaN equals NaN."""
    if a.equals(b):
        return []
    pairs = zip(a.to_pylist(), b.to_pylist(), strict=True)
    return [i for i, (one, other) in enumerate(pairs) if not same(one, other)]


def same(a: Any, b: Any) -> bool:
    """Whether two values of a table are equal, NaN included."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b or (a != a and b != b))


def array_differences(a: Path, b: Path) -> Iterator[str]:
    """Other names, shapes or bits in two ``.npz`` files."""
    with np.load(a) as first, np.load(b) as second:
        for name in sorted({*first.files} ^ {*second.files}):
            yield f"array {name} is only in one of them"
        for name in sorted({*first.files} & {*second.files}):
            one, other = first[name], second[name]
            if (one.shape, one.dtype) != (other.shape, other.dtype):
                yield f"array {name}: {one.dtype} {one.shape} and {other.dtype} {other.shape}"
            elif one.tobytes() != other.tobytes():
                yield f"array {name}: {np.count_nonzero(one != other)} of {one.size} values differ"


def media_differences(a: Path, b: Path) -> Iterator[str]:
    """Streams, frames and samples that differ between two media files, once decoded."""
    one, other = decoded(a), decoded(b)
    if one.keys() != other.keys():
        yield f"streams are {', '.join(one)} and {', '.join(other)}"
    for stream in one.keys() & other.keys():
        yield from (f"{stream}: {what}" for what in stream_differences(one[stream], other[stream]))


def decoded(path: Path) -> dict[str, list[tuple[int | None, str]]]:
    """For each stream, named with its format, the time and a hash of each decoded frame."""
    found: dict[str, list[tuple[int | None, str]]] = {}
    with open_media(path) as container:
        names = {s.index: f"{s.type} {s.index}, {described(s)}" for s in container.streams}
        found = {name: [] for name in names.values()}
        for frame_stream, frame in frames_of(container):
            data = hashlib.sha256(np.ascontiguousarray(frame.to_ndarray()).tobytes()).hexdigest()
            found[names[frame_stream]].append((frame.pts, data))
    return found


def frames_of(container: Any) -> Iterator[tuple[int, Any]]:
    """Decoded frames of all video and audio streams, with the stream's index."""
    streams = [s for s in container.streams if s.type in ("video", "audio")]
    for packet in container.demux(streams):
        for frame in packet.decode():
            yield packet.stream.index, frame


def described(stream: Any) -> str:
    """What a player has to know of a stream: codec, size or rate, pixel or sample format."""
    context = stream.codec_context
    if stream.type == "video":
        colour = f"{context.color_range} {context.colorspace} {context.color_primaries}"
        return f"{context.name} {context.width}x{context.height} {context.pix_fmt} {colour}"
    if stream.type == "audio":
        return f"{context.name} {context.sample_rate} Hz {context.layout.name}"
    return str(stream.type)


def stream_differences(
    a: list[tuple[int | None, str]], b: list[tuple[int | None, str]]
) -> Iterator[str]:
    """Another number of frames, other times, other contents."""
    if len(a) != len(b):
        yield f"{len(a)} and {len(b)} frames"
    pairs = list(zip(a, b, strict=False))
    for what, at in (("time", 0), ("content", 1)):
        other = [i for i, (one, two) in enumerate(pairs) if one[at] != two[at]]
        if other:
            yield f"{what} of {len(other)} of {len(pairs)} frames differs, first at {other[0]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("a", type=Path, help="result folder of the first run")
    parser.add_argument("b", type=Path, help="result folder of the second run")
    given = parser.parse_args()
    for folder in (given.a, given.b):
        if not any(folder.rglob("timeline.json")):
            parser.error(f"{folder} holds no timeline.json; give a result folder of facetrack run")
    found = 0
    for line in differences(given.a, given.b):
        print(line)
        found += 1
    if not found:
        print(f"{given.a} and {given.b} are the same")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
