"""Which decoder reads a video: the GPU's own where the networks run on a GPU and it can."""

import logging
from pathlib import Path

from facetrack.media.decode import VideoSource

log = logging.getLogger(__name__)


def open_source(path: Path, device: str) -> tuple[VideoSource, str]:
    """The opened video, and what decodes it, for the report.

    Raises:
        InputError: when the file is missing or holds no video.
    """
    if device != "cuda":
        return VideoSource(path), "libav"
    try:
        import torch

        from facetrack.media.nvdec.source import NotForGpu, NvdecSource
    except ImportError as error:
        return VideoSource(path), _said(path, f"{error.name} is not installed")
    try:
        return NvdecSource(path, torch.device("cuda", torch.cuda.current_device())), "nvdec"
    except NotForGpu as reason:
        return VideoSource(path), _said(path, str(reason))


def _said(path: Path, reason: str) -> str:
    log.warning("%s: decoded on the CPU, not the GPU: %s", path, reason)
    return f"libav, not the GPU: {reason}"
