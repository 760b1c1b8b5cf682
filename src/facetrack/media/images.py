"""Opens every image that the program reads: photos, and thumbnails of a result."""

from pathlib import Path
from typing import BinaryIO

from PIL import Image as Pillow
from PIL import ImageOps

from facetrack.media.opening import require_regular

KINDS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
"""Pillow's names of the images that are read. Of the others, EPS would start a program."""


class ImageError(ValueError):
    """A file or bytes are no image that can be read."""


def open_image(source: Path | BinaryIO) -> Pillow.Image:
    """An image, upright and in RGB.

    Args:
        source: path of the image, or an open file.

    Raises:
        ImageError: when it is no image of ``KINDS`` that can be read.
    """
    try:
        if isinstance(source, Path):
            require_regular(source)
        with Pillow.open(source, formats=KINDS) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except MemoryError:  # no fault of the image
        raise
    except Exception as error:  # Pillow raises many types of errors for a bad file
        raise ImageError(str(error) or type(error).__name__) from error
