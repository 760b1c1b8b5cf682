"""The machine and the versions that a run's figures depend on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "facetrack", "openvino", "av", "numpy", "scipy", "pillow",
    "torch", "triton", "PyNvVideoCodec", "facenet-pytorch",
)  # fmt: skip


def machine(device: str) -> dict[str, Any]:
    """Of this machine what the figures depend on."""
    return {
        "cpu": _cpu_name(),
        "GPU": _gpu_name() if device == "cuda" else None,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        import openvino
    except ImportError:  # a machine for the GPU alone
        return platform.processor() or platform.machine()
    name: str = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    return name


def _gpu_name() -> str:
    import torch

    name: str = torch.cuda.get_device_name()
    return name


def versions() -> dict[str, str | None]:
    """Of the packages that matter; None: not installed."""
    return {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
