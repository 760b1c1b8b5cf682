"""Reads weights of ONNX files without the onnx library, and dequantises block-quantised ones.

Block-quantised weights (``DequantizeLinear`` of opset 21 with ``block_size``) are integers with a
scale and a zero point for each block of values. OpenVINO does not read that operator, so the float
weights are computed here: ``(q - zero point) * scale``.

Field numbers are those of onnx.proto: ModelProto.graph 7; GraphProto.node 1, initializer 5, input
11; NodeProto.input 1, output 2, op_type 4, attribute 5; AttributeProto.name 1, i 3;
TensorProto.dims 1, data_type 2, float_data 4, int32_data 5, int64_data 7, name 8, raw_data 9.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrack.models.protobuf import FLOAT, fields_of, integers, messages
from facetrack.models.protobuf import field as written

GRAPH, NODE, INITIALIZER, INPUT = 7, 1, 5, 11
Array = NDArray[Any]

TYPES = {FLOAT: "<f4", 2: "<u1", 3: "<i1", 6: "<i4", 7: "<i8"}
"""ONNX data types of weights and shapes, and NumPy's names for them."""


@dataclass(frozen=True)
class OnnxNode:
    """One operator of the graph."""

    kind: str
    """The operator's type, such as ``Conv``."""
    inputs: list[str]
    outputs: list[str]
    integers: dict[str, int] = field(default_factory=dict)
    """Attributes with one integer as value."""


def onnx_arrays(data: bytes) -> dict[str, Array]:
    """Weights of an ONNX model by name: its initialisers, and what nodes compute from these alone.

    Raises:
        ValueError: when the bytes are no ONNX model.
    """
    arrays: dict[str, Array] = {}
    for graph in messages(data, GRAPH):
        for tensor in messages(graph, INITIALIZER):
            name, array = _tensor(tensor)
            if array is not None:
                arrays[name] = array
        for message in messages(graph, NODE):
            node = _node(message)
            if (found := _constant(node, arrays)) is not None:
                arrays[node.outputs[0]] = found
    return arrays


def onnx_nodes(data: bytes, kind: str) -> list[OnnxNode]:
    """The graph's operators of one type, in the order in which they run."""
    nodes = [_node(m) for graph in messages(data, GRAPH) for m in messages(graph, NODE)]
    return [node for node in nodes if node.kind == kind]


def without_block_quantisation(data: bytes) -> bytes:
    """The same model with float weights in place of block-quantised ones.

    Weights, and inputs that no operator uses, are removed from the inputs of the graph; otherwise a
    reader would ask for their values.

    Raises:
        ValueError: when the bytes are no ONNX model.
    """
    parts = []
    for number, value in fields_of(data):
        if number == GRAPH and isinstance(value, bytes):
            value = _plain_graph(value, onnx_arrays(data))
        parts.append(written(number, value))
    return b"".join(parts)


def _plain_graph(graph: bytes, arrays: dict[str, Array]) -> bytes:
    used = {name for message in messages(graph, NODE) for name in _node(message).inputs}
    parts = []
    for number, value in fields_of(graph):
        if isinstance(value, bytes):
            if number == NODE and _node(value).kind == "DequantizeLinear":
                name = _node(value).outputs[0]
                if name in arrays:
                    parts.append(written(INITIALIZER, _written_tensor(name, arrays[name])))
                    continue
            if number == INPUT:
                name = next(messages(value, 1), b"").decode()
                if name in arrays or name not in used:
                    continue
        parts.append(written(number, value))
    return b"".join(parts)


def _constant(node: OnnxNode, arrays: dict[str, Array]) -> Array | None:
    """The node's output, if the node dequantises or reshapes a weight; else None."""
    if not all(name in arrays for name in node.inputs):
        return None
    given = [arrays[name] for name in node.inputs]
    if node.kind == "DequantizeLinear":
        return _dequantised(given, node.integers.get("axis", 1), node.integers.get("block_size", 0))
    if node.kind == "Reshape":
        return given[0].reshape([int(side) for side in given[1]])
    return None


def _dequantised(given: list[Array], axis: int, block: int) -> Array:
    values, scale = given[0].astype(np.float32), given[1]
    zero = given[2].astype(np.float32) if len(given) > 2 else np.zeros_like(scale)
    axis %= max(values.ndim, 1)
    if block:
        wanted = values.shape[axis]
        scale, zero = (np.repeat(a, block, axis).take(range(wanted), axis) for a in (scale, zero))
    elif scale.ndim == 1 and values.ndim > 1:
        shape = [-1 if i == axis else 1 for i in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return np.asarray((values - zero) * scale, np.float32)


def _node(message: bytes) -> OnnxNode:
    numbers = {}
    for attribute in messages(message, 5):
        found = dict(fields_of(attribute))
        value = found.get(3)
        if isinstance(value, int):
            signed = value - (1 << 64) if value >= 1 << 63 else value
            numbers[next(messages(attribute, 1)).decode()] = signed
    return OnnxNode(
        next(messages(message, 4), b"").decode(),
        [name.decode() for name in messages(message, 1)],
        [name.decode() for name in messages(message, 2)],
        numbers,
    )


def _tensor(message: bytes) -> tuple[str, Array | None]:
    """Name and array of a tensor; None instead of an array of another type than ``TYPES``."""
    fields = list(fields_of(message))
    name = next(messages(message, 8), b"").decode()
    kind = TYPES.get(int(dict(fields).get(2, 0)))
    if kind is None:
        return name, None
    dims = integers([v for n, v in fields if n == 1])
    raw = b"".join(v for n, v in fields if n in (4, 9) and isinstance(v, bytes))
    listed = integers([v for n, v in fields if n in (5, 7)])
    array = np.array(listed).astype(kind) if listed else np.frombuffer(raw, kind)
    return name, array.reshape(dims)


def _written_tensor(name: str, array: Array) -> bytes:
    dims = b"".join(written(1, side) for side in array.shape)
    raw = np.ascontiguousarray(array, "<f4").tobytes()
    return dims + written(2, FLOAT) + written(8, name.encode()) + written(9, raw)
