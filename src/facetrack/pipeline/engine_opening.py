"""Which engine a device means; each brings in only the library that it needs."""

from dataclasses import replace

from facetrack.core.errors import UsageError
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.pipeline.engine import Engine
from facetrack.runtime.allocator import grow_in_one_piece


def open_engine(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    """The engine for ``detection.device``: cpu, cuda or torch-cpu.

    Raises:
        UsageError: when the device or its library is not there.
        WeightsError: when weights are missing or are others than expected.
    """
    engine = _opened(detection, identity)
    return replace(engine, detection=detection, identity=identity)


def _opened(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    if detection.device == "cpu":
        from facetrack.pipeline.openvino_engine import open_openvino_engine

        return open_openvino_engine(detection, identity)
    try:
        grow_in_one_piece()
        from facetrack.pipeline.torch_engine import open_torch_engine
    except ImportError as error:
        raise UsageError(
            f"device {detection.device!r} needs {error.name}; run: pip install 'facetrack[cuda]'"
        ) from error
    return open_torch_engine(detection, identity)
