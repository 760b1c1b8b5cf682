"""The hardware and the package versions that a run's figures depend on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "facetrack", "openvino", "av", "numpy", "scipy", "pillow",
    "torch", "triton", "PyNvVideoCodec", "facenet-pytorch",
)  # fmt: skip


def facetrack_version() -> str:
    """The version in the installed package's metadata, which has it from ``pyproject.toml``."""
    return package_version("facetrack") or "unknown: facetrack is not installed as a package"


def hardware(device: str) -> dict[str, Any]:
    """CPU, GPU (None unless ``device`` is ``cuda``), cores, system and Python version."""
    return {
        "cpu": _cpu_name(),
        "gpu": _gpu_name() if device == "cuda" else None,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        import openvino
    except ImportError:  # installed for the GPU alone
        return platform.processor() or platform.machine()
    name: str = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    return name


def _gpu_name() -> str:
    import torch

    name: str = torch.cuda.get_device_name()
    return name


def versions() -> dict[str, str | None]:
    """Name -> version of the packages that results and speed depend on; None: not installed."""
    return {package: package_version(package) for package in PACKAGES}


def package_version(package: str) -> str | None:
    """The version of an installed package; None: not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
