"""The load and memory of a GPU, by NVML; the extra ``cuda`` brings the package nvidia-ml-py."""

from collections.abc import Callable
from functools import cache
from typing import Any


class NoNvml(Exception):
    """NVML is not available, or does not know the GPU; the message says why."""


class Gpu:
    """One GPU. Its methods return None for what it cannot measure.

    Raises:
        NoNvml: by the constructor, when NVML is not available or there is no such GPU.
    """

    def __init__(self, uuid: str) -> None:
        """``uuid``: as NVML writes it, ``GPU-...``."""
        self._nvml = nvml()
        try:
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        except self._nvml.NVMLError as error:
            raise NoNvml(f"{uuid}: {error}") from error

    def percent(self) -> float | None:
        """Share of the time in which any kernel ran, in per cent."""
        rates = self._asked(self._nvml.nvmlDeviceGetUtilizationRates)
        return None if rates is None else float(rates.gpu)

    def decoder_percent(self) -> float | None:
        """Load of the video decoders, in per cent."""
        answer = self._asked(self._nvml.nvmlDeviceGetDecoderUtilization)
        return None if answer is None else float(answer[0])  # answer[1]: period in microseconds

    def memory_bytes(self) -> int | None:
        """Memory taken by all processes."""
        memory = self._asked(self._nvml.nvmlDeviceGetMemoryInfo)
        return None if memory is None else int(memory.used)

    def _asked(self, question: Callable[[Any], Any]) -> Any:
        try:
            return question(self._handle)
        except self._nvml.NVMLError_NotSupported:  # a part of a GPU (MIG) does not know its load
            return None


def smallest_gpu_bytes() -> int | None:
    """Memory of the smallest GPU; None where there is none."""
    try:
        library = nvml()
    except NoNvml:
        return None
    handles = map(library.nvmlDeviceGetHandleByIndex, range(library.nvmlDeviceGetCount()))
    return min((int(library.nvmlDeviceGetMemoryInfo(one).total) for one in handles), default=None)


def gpu_names() -> list[str]:
    """Name of each GPU, with its driver.

    Raises:
        NoNvml: when NVML is not available.
    """
    library = nvml()
    handles = map(library.nvmlDeviceGetHandleByIndex, range(library.nvmlDeviceGetCount()))
    driver = library.nvmlSystemGetDriverVersion()
    return [f"{library.nvmlDeviceGetName(handle)}, driver {driver}" for handle in handles]


@cache
def nvml() -> Any:
    """The library ``pynvml``, initialised for the rest of the process.

    Raises:
        NoNvml: when the library or its driver is not there.
    """
    try:
        import pynvml
    except ImportError as error:
        raise NoNvml("the package nvidia-ml-py is not installed") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NoNvml(f"no GPU: {error}") from error
    return pynvml
