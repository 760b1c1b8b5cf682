"""What the analysis of a chunk gives: tracklets, and facts of its frames. It is a file, too.

The file is Arrow IPC with one row a tracklet. It is read as if anybody had written it: each value
has its type and its length, and a file that has not is refused.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from facetrack.core.errors import InputError
from facetrack.core.types import Float32, VideoInfo
from facetrack.media.decode import ReadFacts
from facetrack.pipeline.engine import EngineFacts
from facetrack.pipeline.face_analyzer import AnalyzedFrames
from facetrack.pipeline.tracklet import Tracklet
from facetrack.recognition.calibration import FIELDS, Calibration, Evidence
from facetrack.recognition.embedded_face import KeptFace
from facetrack.recognition.track_embedding import TrackEmbedding
from facetrack.timeline import Dropped, RecognizerInfo
from facetrack.tracking.rows import ROW

FORMAT = b"facetrack/chunk/1"
COLUMNS = pa.schema(
    [
        ("id", pa.int32()),
        ("rows", pa.binary()),  # ROW
        ("breaks", pa.list_(pa.int32())),
        ("faces", pa.binary()),  # FACE and the embedding
        ("split_from", pa.int32()),  # 0: it was not split off
        ("open_before", pa.bool_()),
        ("open_after", pa.bool_()),
        ("dropped", pa.string()),  # reason; empty: it is not dropped
        ("detail", pa.string()),
        ("vector", pa.binary()),  # float32; empty: there is none
        ("evidence", pa.list_(pa.float64())),
        ("quality", pa.float64()),  # of the portrait
        ("portrait", pa.binary()),  # JPEG
    ]
)


@dataclass(frozen=True)
class FilmFacts:
    """What reading a film tells beside its frames."""

    info: VideoInfo
    warnings: list[str]
    notes: list[str]
    damaged: bool


@dataclass
class ChunkResult:
    """The result of the analysis of a chunk, or of a film as a whole."""

    tracklets: list[Tracklet]
    """In the order in which they ended."""
    frames: AnalyzedFrames
    """Without the frame that the next chunk begins with."""
    read: ReadFacts
    """Of the last frame."""
    recognizer: RecognizerInfo
    decoder: str
    """As ``open_source`` says."""
    featureless: Float32
    """``(dim,)`` as ``FaceEmbedder.featureless``; zeros where no neighbour needs it."""
    engine: EngineFacts
    stages: dict[str, float]
    """Seconds that each stage of the work took."""
    film: FilmFacts | None = None
    """Where the film was read as a whole."""

    def to_bytes(self) -> bytes:
        """The result as a file of Arrow IPC."""
        dim, frames = self.recognizer.dim, self.frames
        rows = [_row(tracklet, dim) for tracklet in self.tracklets]
        arrays = [pa.array([row[i] for row in rows], f.type) for i, f in enumerate(COLUMNS)]
        facts = _Facts(
            frames.first_frame, _runs(frames.sizes), frames.shot_starts,
            frames.faces, frames.embedded_faces, frames.key_frames, frames.redetections,
            dict(frames.batch_sizes), self.read, self.engine, self.recognizer.name,
            self.recognizer.calibration, self.stages, self.decoder, self.film,
        )  # fmt: skip
        metadata = {
            b"format": FORMAT,
            b"facts": msgspec.json.encode(facts, enc_hook=_plain),
            b"times_s": np.array(frames.times_s, np.float64).tobytes(),
            b"featureless": self.featureless.astype(np.float32).tobytes(),
        }
        table = pa.Table.from_arrays(arrays, schema=COLUMNS.with_metadata(metadata))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())

    @classmethod
    def from_bytes(cls, stored: bytes) -> "ChunkResult":
        """The result that ``to_bytes`` wrote.

        Raises:
            InputError: when the bytes are no such file.
        """
        try:
            with pa.ipc.open_file(pa.BufferReader(stored)) as reader:
                table = reader.read_all()
            table.validate(full=True)
            metadata = table.schema.metadata or {}
            if metadata[b"format"] != FORMAT:
                raise ValueError(f"its format is {metadata[b'format']!r}")
            if not table.schema.equals(COLUMNS, check_metadata=False):
                raise ValueError("it has other columns")
            return _result(table, metadata)
        except (ValueError, LookupError, TypeError, pa.ArrowException, RecursionError) as error:
            raise InputError(f"not the result of a chunk ({error})") from error


@dataclass
class _Facts:
    """What is in the file beside tracklets and times, as JSON."""

    first_frame: int
    sizes: list[tuple[int, int, int]]
    """Width, height and number of frames of each run of frames of one size."""
    shot_starts: list[int]
    faces: int
    embedded_faces: int
    key_frames: int
    redetections: int
    batch_sizes: dict[int, int]
    read: ReadFacts
    engine: EngineFacts
    recognizer: str
    calibration: Calibration
    stages: dict[str, float]
    decoder: str
    film: FilmFacts | None


COUNTS = ("faces", "embedded_faces", "key_frames", "redetections")
FACE_FIELDS = ("pose", "quality", "height_px", "sharpness", "frontality", "visible")


def _face_type(dim: int) -> np.dtype[Any]:
    numbers = [(name, np.float64) for name in FACE_FIELDS]
    places = [("part", np.int32), ("moment", np.int32), ("frame", np.int32)]
    return np.dtype([*places, *numbers, ("turn", np.float64, 2), ("embedding", np.float32, dim)])


def _row(one: Tracklet, dim: int) -> tuple[Any, ...]:
    faces = np.zeros(len(one.faces), _face_type(dim))
    for row, ((part, moment), face) in zip(faces, one.faces.items(), strict=True):
        row["part"], row["moment"], row["frame"] = part, moment, face.frame
        for name in (*FACE_FIELDS, "turn", "embedding"):
            row[name] = getattr(face, name)
    embedding, (quality, jpeg) = one.embedding, one.portrait or (0.0, b"")
    return (
        one.id, one.rows.tobytes(), one.breaks, faces.tobytes(), one.split_from or 0,
        one.open_before, one.open_after,
        one.dropped.reason if one.dropped else "", one.dropped.detail if one.dropped else "",
        embedding.vector.tobytes() if embedding else b"",
        [float(getattr(embedding.evidence, f)[0]) for f in FIELDS] if embedding else [],
        quality, jpeg,
    )  # fmt: skip


def _result(table: pa.Table, metadata: dict[bytes, bytes]) -> ChunkResult:
    facts = msgspec.json.decode(metadata[b"facts"], type=_Facts, dec_hook=_typed)
    featureless = np.frombuffer(metadata[b"featureless"], np.float32)
    times_s = np.frombuffer(metadata[b"times_s"], np.float64)
    if (
        sum(n for *_, n in facts.sizes) != len(times_s)
        or min([n for *_, n in facts.sizes] + [1]) < 1
    ):
        raise ValueError("its frames have no sizes")
    if not np.isfinite(times_s).all():
        raise ValueError("its frames have no times")
    return ChunkResult(
        [_tracklet(row, len(featureless)) for row in table.to_pylist()],
        AnalyzedFrames(
            facts.first_frame,
            times_s.tolist(),
            [(width, height) for width, height, n in facts.sizes for _ in range(n)],
            facts.shot_starts,
            batch_sizes=Counter(facts.batch_sizes),
            **{name: getattr(facts, name) for name in COUNTS},
        ),
        facts.read,
        RecognizerInfo(facts.recognizer, len(featureless), facts.calibration),
        facts.decoder,
        featureless,
        facts.engine,
        facts.stages,
        facts.film,
    )


def _tracklet(row: dict[str, Any], dim: int) -> Tracklet:
    rows = np.frombuffer(row["rows"], ROW)
    if not len(rows) or (np.diff(rows["frame"]) != 1).any():
        raise ValueError("a track has no row for a frame")
    faces = {}
    for face in np.frombuffer(row["faces"], _face_type(dim)):
        numbers = {name: float(face[name]) for name in FACE_FIELDS}
        turn = (float(face["turn"][0]), float(face["turn"][1]))
        kept = KeptFace(
            frame=int(face["frame"]), turn=turn, embedding=face["embedding"].copy(), **numbers
        )
        faces[int(face["part"]), int(face["moment"])] = kept
    embedding = None
    if row["vector"]:
        vector = np.frombuffer(row["vector"], np.float32)
        if len(vector) != dim:
            raise ValueError("an embedding has another length")
        evidence = dict(zip(FIELDS, row["evidence"], strict=True))
        embedding = TrackEmbedding(
            vector, Evidence(**{f: np.array([v]) for f, v in evidence.items()})
        )
    dropped = None
    if row["dropped"]:
        first, last = int(rows["frame"][0]), int(rows["frame"][-1])
        dropped = Dropped(row["id"], row["dropped"], row["detail"], first, last)
    if dropped is None and embedding is None:
        raise ValueError("a track has no embedding")
    return Tracklet(
        row["id"], rows, row["breaks"], faces, row["split_from"] or None, row["open_before"],
        row["open_after"], dropped, embedding, (row["quality"], row["portrait"]),
    )  # fmt: skip


def _runs(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    return [(*size, len(list(run))) for size, run in groupby(sizes)]


def _plain(value: object) -> str:
    """As JSON has it; paths are left out, the reader knows the film."""
    return "" if isinstance(value, Path) else str(value)


def _typed(kind: type, value: object) -> object:
    if kind not in (Path, Fraction) or not isinstance(value, str):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    made: object = kind(value)
    return made
