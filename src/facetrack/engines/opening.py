"""Which engine a device means; each brings in only the library that it needs."""

from facetrack.engines.base import Engine
from facetrack.errors import UsageError
from facetrack.pipeline.allocator import grow_in_one_piece
from facetrack.settings import DetectionSettings, IdentitySettings


def open_engine(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    """The engine for ``detection.device``: cpu, cuda or torch-cpu.

    Raises:
        UsageError: when the device or its library is not there.
        WeightsError: when weights are missing or are others than expected.
    """
    if detection.device == "cpu":
        from facetrack.engines.openvino_engine import open_openvino_engine

        return open_openvino_engine(detection, identity)
    try:
        grow_in_one_piece()
        from facetrack.engines.torch.engine import open_torch_engine
    except ImportError as error:
        raise UsageError(
            f"device {detection.device!r} needs {error.name}; run: pip install 'facetrack[cuda]'"
        ) from error
    return open_torch_engine(detection, identity)
