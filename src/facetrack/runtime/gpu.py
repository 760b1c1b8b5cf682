"""A GPU as NVML sees it; the package nvidia-ml-py comes with the extra ``cuda``."""

from collections.abc import Callable
from functools import cache
from typing import Any


class NoNvml(Exception):
    """Why NVML says nothing here."""


class Gpu:
    """The GPU of this UUID. What is asked of it is None where it cannot say.

    Raises:
        NoNvml: on opening, when there is no such GPU or nobody to ask for it.
    """

    def __init__(self, uuid: str) -> None:
        self._nvml = nvml()
        try:
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        except self._nvml.NVMLError as error:
            raise NoNvml(f"{uuid}: {error}") from error

    def percent(self) -> float | None:
        """Of the time that any kernel ran."""
        rates = self._asked(self._nvml.nvmlDeviceGetUtilizationRates)
        return None if rates is None else float(rates.gpu)

    def decoder_percent(self) -> float | None:
        answer = self._asked(self._nvml.nvmlDeviceGetDecoderUtilization)
        return None if answer is None else float(answer[0])  # the other: microseconds it is over

    def memory_bytes(self) -> int | None:
        """Taken, by every process."""
        memory = self._asked(self._nvml.nvmlDeviceGetMemoryInfo)
        return None if memory is None else int(memory.used)

    def _asked(self, question: Callable[[Any], Any]) -> Any:
        try:
            return question(self._handle)
        except self._nvml.NVMLError_NotSupported:  # a part of a GPU (MIG) does not know its load
            return None


def gpu_names() -> list[str]:
    """Of all GPUs, with their driver.

    Raises:
        NoNvml: when there is nobody to ask.
    """
    known = nvml()
    handles = map(known.nvmlDeviceGetHandleByIndex, range(known.nvmlDeviceGetCount()))
    driver = known.nvmlSystemGetDriverVersion()
    return [f"{known.nvmlDeviceGetName(handle)}, driver {driver}" for handle in handles]


@cache
def nvml() -> Any:
    """The library, ready for the rest of the process.

    Raises:
        NoNvml: when it or its driver is not there.
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
