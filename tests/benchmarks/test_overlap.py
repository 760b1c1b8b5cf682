"""The lanes of a GPU's trace, and their chart. No GPU is needed."""

from PIL import Image

from facetrack_bench.overlap import Work, draw_overlap, lanes


def trace(*streams):
    """One event of 10 us per kernel, as torch's profiler writes them."""
    return [
        {
            "cat": "gpu_memcpy" if name.startswith("Memcpy") else "kernel",
            "name": name,
            "ts": 1000.0 * at,
            "dur": 10.0,
            "args": {"stream": stream},
        }
        for stream, names in enumerate(streams)
        for at, name in enumerate(names)
    ]


def lanes_of(*streams):
    return [work.lane for work in lanes(trace(*streams))]


def test_a_stream_is_known_by_its_kernels():
    assert lanes_of(["_gather"], ["_gather"]) == ["decoded frames 1", "decoded frames 2"]
    assert lanes_of(["_level", "_first"]) == ["detection"] * 2  # MTCNN
    assert lanes_of(["_stem", "_unit"]) == ["detection"] * 2  # YuNet
    assert lanes_of(["_first", "_separable"]) == ["embedding"] * 2  # SFace
    assert lanes_of(["_box_crop", "sm90_gemm"]) == ["embedding"] * 2  # InceptionResnetV1
    assert lanes_of(["_aligned_crop", "_sharpness"]) == ["face crops"] * 2
    assert lanes_of(["Memcpy DtoH", "Memcpy HtoD"]) == ["copy back", "upload"]


def test_times_are_in_milliseconds():
    assert [*lanes(trace(["_stem"] * 2))] == [
        Work("detection", 0.0, 0.01), Work("detection", 1.0, 1.01)
    ]  # fmt: skip


def test_the_chart_has_a_row_for_each_lane(tmp_path):
    few, more = tmp_path / "few.png", tmp_path / "more.png"
    streams = ["_gather"], ["_level"], ["_separable"], ["Memcpy DtoH"]
    draw_overlap([*lanes(trace(*streams[:1]))], "one lane", few)
    draw_overlap([*lanes(trace(*streams))], "four lanes", more)
    with Image.open(few) as low, Image.open(more) as high:
        assert high.height > low.height and high.width == low.width == 1200
