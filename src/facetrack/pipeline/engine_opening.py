"""Which engine a device means; each brings in only the library that it needs."""

from facetrack.core.errors import UsageError
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.pipeline.engine import Engine
from facetrack.runtime.process import use_expandable_segments


def open_engine(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    """The engine for ``detection.device``: cpu, cuda or torch-cpu.

    Raises:
        UsageError: when the device or its library is not there.
        WeightsError: when weights are missing or are others than expected.
    """
    if detection.device == "cpu":
        from facetrack.pipeline.openvino_engine import open_openvino_engine

        return open_openvino_engine(detection, identity)
    try:
        use_expandable_segments()
        from facetrack.pipeline.torch_engine import open_torch_engine
    except ImportError as error:
        raise UsageError(
            f"device {detection.device!r} needs {error.name}; run: pip install 'facetrack[cuda]'"
        ) from error
    return open_torch_engine(detection, identity)
