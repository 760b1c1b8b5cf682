"""Shows HDR frames (PQ and HLG of BT.2100) in the standard dynamic range, as BT.709.

The curve is the EETF of ITU-R BT.2390 section 5.4.1, of the largest of R, G and B, so that hues
stay. White of the reference level, 203 cd/m2 by BT.2408, becomes 90 % of what a display of the
standard range shows; what is brighter is rolled off up to the brightest light of the master. All
of it is a table of colours, which libavfilter's lut3d looks up.
"""

import struct
import threading
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.media.planar import HLG, PQ, is_full_range, matrix_of, swscale_matrix
from facetrack.media.side_data import side_data

Float64 = NDArray[np.float64]

BT709, BT2020, P3_D65 = 1, 9, 12
"""Numbers of primaries in H.273."""
WHITE = 203.0
"""cd/m2 of the brightest white of the standard range: reference white by BT.2408."""
USUAL_PEAK = 1000.0
"""cd/m2 of the brightest light of masters that do not say it, and of HLG's nominal display."""
PEAKS = (400.0, USUAL_PEAK, 2000.0, 4000.0, 10000.0)
"""What is said is rounded up to one of these."""
HLG_GAMMA = 1.2
"""Of HLG's display at ``USUAL_PEAK``."""
DISPLAY_GAMMA = 2.4
"""Of BT.1886."""
GRID = 33
"""Colours of the table along each side."""
XY = {
    BT709: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    P3_D65: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Chromaticities of R, G and B; white is D65."""
D65 = (0.3127, 0.3290)
KEPT = 4
"""Filters that a thread keeps."""


def hdr_of(frame: VideoFrame) -> str | None:
    """``pq`` or ``hlg``, as the frame says; None: it is not HDR."""
    return {PQ: "pq", HLG: "hlg"}.get(int(frame.color_trc))


def sdr(frame: VideoFrame, threads: int = 1) -> VideoFrame:
    """The frame in BT.709 of 8 bits and the limited range; as it is where it is not HDR.

    Args:
        threads: number of threads to use; 0: one a core.
    """
    if hdr_of(frame) is None:
        return frame
    kind = (
        frame.width,
        frame.height,
        frame.format.name,
        swscale_matrix(matrix_of(frame)),
        is_full_range(frame),
        int(frame.color_trc),
        int(frame.color_primaries),
        peak_of(frame),
        threads,
    )
    graph = _graphs(kind)
    graph.vpush(frame)
    mapped = graph.vpull()
    mapped.pts, mapped.dts, mapped.duration = frame.pts, frame.dts, frame.duration
    if frame.time_base:
        mapped.time_base = frame.time_base
    mapped.colorspace, mapped.color_range = BT709, 1
    mapped.color_primaries = mapped.color_trc = BT709
    return mapped


def peak_of(frame: VideoFrame) -> float:
    """cd/m2 of the brightest light that the frame may show, one of ``PEAKS``."""
    data = side_data(frame, "MASTERING_DISPLAY_METADATA")
    if data is None or int(frame.color_trc) == HLG:
        return USUAL_PEAK
    # AVMasteringDisplayMetadata: primaries, white, luminances as fractions, and what of it is said.
    *_, over, under, _, said = struct.unpack("=20i2i", data[:88])
    most = over / under if said and under else USUAL_PEAK
    return next((peak for peak in PEAKS if most <= peak), PEAKS[-1])


def tone_mapped(rgb: Float64, transfer: int, primaries: int, peak: float) -> Float64:
    """``(..., 3)`` R'G'B' of BT.709, 0 to 1.

    Args:
        rgb: ``(..., 3)`` R'G'B', 0 to 1.
        transfer: ``PQ`` or ``HLG``.
        primaries: of the samples; those that are not known count as BT.2020's.
        peak: cd/m2 of the brightest light.
    """
    light = pq_light(rgb) if transfer == PQ else _hlg_light(rgb)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light = light * (_eetf(brightest, peak) / brightest) / WHITE
    light = light @ _to_bt709(primaries).T
    return np.asarray(np.clip(light, 0, 1) ** (1 / DISPLAY_GAMMA))


def pq_light(coded: Float64) -> Float64:
    """cd/m2 of PQ samples, 0 to 1 (SMPTE ST 2084)."""
    power = np.clip(coded, 0, 1) ** (32 / 2523)
    ratio = np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)
    return np.asarray(10000 * ratio ** (8192 / 1305))


def pq_coded(light: Float64) -> Float64:
    """The inverse of ``pq_light``."""
    power = (np.maximum(light, 0) / 10000) ** (1305 / 8192)
    return np.asarray(((107 / 128 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def _hlg_light(coded: Float64) -> Float64:
    """cd/m2 of HLG samples on the nominal display (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)
    luminance = scene @ (0.2627, 0.6780, 0.0593)
    return np.asarray(USUAL_PEAK * luminance[..., None] ** (HLG_GAMMA - 1) * scene)


def _eetf(light: Float64, peak: float) -> Float64:
    """cd/m2 of at most ``WHITE``, for light of at most ``peak`` (BT.2390, 5.4.1)."""
    top = float(pq_coded(np.array(peak)))
    coded = np.minimum(pq_coded(light) / top, 1)
    most = float(pq_coded(np.array(WHITE))) / top
    knee = 1.5 * most - 0.5
    t = np.clip((coded - knee) / (1 - knee), 0, 1)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    return pq_light(np.where(coded < knee, coded, spline) * top)


def _to_bt709(primaries: int) -> Float64:
    """``(3, 3)`` from linear R G B to those of BT.709."""
    return np.asarray(np.linalg.solve(_to_xyz(XY[BT709]), _to_xyz(XY.get(primaries, XY[BT2020]))))


def _to_xyz(chromaticities: tuple[tuple[float, float], ...]) -> Float64:
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in (*chromaticities, D65)]).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


def _cube(transfer: int, primaries: int, peak: float) -> str:
    """The table as the text of a .cube file, in which red counts fastest."""
    steps = np.linspace(0, 1, GRID)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colours = tone_mapped(np.stack([red, green, blue], -1), transfer, primaries, peak)
    rows = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in colours.reshape(-1, 3).tolist())
    return f"LUT_3D_SIZE {GRID}\n{rows}\n"


def _graph(kind: tuple[int, int, str, int, bool, int, int, float, int]) -> Graph:
    """The filter for frames of a kind: as ``sdr`` describes it."""
    width, height, pix_fmt, matrix, full, transfer, primaries, peak, threads = kind
    graph = Graph()
    graph.threads = threads
    with TemporaryDirectory() as folder:  # lut3d reads a file
        table = Path(folder) / "table.cube"
        table.write_text(_cube(transfer, primaries, peak))
        graph.link_nodes(
            graph.add_buffer(
                width=width, height=height, format=VideoFormat(pix_fmt), time_base=Fraction(1, 1000)
            ),
            graph.add(
                "scale", in_color_matrix=str(matrix), in_range="pc" if full else "tv",
                out_range="pc",
            ),
            graph.add("format", pix_fmts="gbrp10le"),
            graph.add("lut3d", file=str(table), interp="tetrahedral"),
            graph.add("scale", in_range="pc", out_color_matrix="bt709", out_range="tv"),
            graph.add("format", pix_fmts="yuv420p"),
            graph.add("buffersink"),
        ).configure()  # fmt: skip
    return graph


class _PerThread(threading.local):
    """A filter must not be used by two threads at a time."""

    def __init__(self) -> None:
        self.graph: Callable[..., Graph] = lru_cache(KEPT)(_graph)


_per_thread = _PerThread()


def _graphs(kind: tuple[int, int, str, int, bool, int, int, float, int]) -> Graph:
    return _per_thread.graph(kind)
