"""Decoded frames that stay in the memory of a CUDA GPU, and the face crops taken from them."""

import threading
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from weakref import ReferenceType, ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.core.shared import shared
from facetrack.core.types import Image
from facetrack.cuda.memory import CUTS_SHARE, bytes_at_hand, memory_for
from facetrack.cuda.streams import stream
from facetrack.media.face_cut import FaceCut, Placement
from facetrack.media.frame_image import Raster, RgbImage, YuvCut
from facetrack.media.nvdec.gpu_crops import aligned_crops, box_crops, places
from facetrack.media.yuv import to_rgb_matrix

MOST_WAITING = 1024
"""Maximum number of face cuts that stay on the GPU."""
MOST_BLOCKS = 32
"""Maximum number of pieces of memory that they keep alive; each holds many frames."""


class GpuImage:
    """An upright NV12 frame on a GPU; implements ``FrameImage``.

    The methods copy what is asked for to the host. A chroma sample counts for each of its four
    luma pixels, as in libswscale's conversion to RGB.
    """

    kind: Hashable = "rgb"  # of its rasters
    pixel_aspect = 1.0  # films of other pixels are decoded on the CPU

    def __init__(self, nv12: Tensor, colour: tuple[int, bool], coarse: Image) -> None:
        self.nv12 = nv12
        """``(height * 3 / 2, width)`` uint8: luma, then U and V side by side at half the size."""
        self.colour = colour
        """Colour space (H.273 matrix number) and whether the range is full."""
        self._coarse = coarse
        height = nv12.shape[0] * 2 // 3
        self.shape = (height, nv12.shape[1])
        self.nbytes = nv12.numel()

    def rgb(self) -> Image:
        height, width = self.shape
        return self.part(0, 0, width, height)

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        height, _ = self.shape
        top, bottom = height + y1 // 2, height + (y2 + 1) // 2
        left, right = x1 // 2 * 2, (x2 + 1) // 2 * 2
        with torch.cuda.stream(stream("copies", self.nv12.device, -1)):
            luma = self.nv12[y1:y2, x1:x2].cpu().numpy()
            pairs = self.nv12[top:bottom, left:right].cpu().numpy()
        planes = [luma, pairs[:, ::2], pairs[:, 1::2]]
        return YuvCut(planes, (y1 % 2, x1 % 2), to_rgb_matrix(*self.colour)).rgb()

    def face_cut(
        self, corners: tuple[int, int, int, int], placement: Placement, size: int
    ) -> FaceCut:
        return GpuCut(self, corners, placement, size)

    def scaled(self, height: int, width: int) -> Image:
        return RgbImage(self.rgb()).scaled(height, width)

    @property
    def rasters(self) -> Sequence[Raster]:
        return RgbImage(self.rgb()).rasters

    def coloured(self, planes: Sequence[NDArray[np.uint8]]) -> Image:
        return planes[0]

    def coarse(self) -> Image:
        return self._coarse


class GpuCut:
    """A face in a frame on the GPU; implements ``FaceCut``.

    Its crops are made and copied to the host when one is asked for. Most cuts are dropped before,
    and cost nothing.
    """

    def __init__(
        self,
        image: GpuImage,
        corners: tuple[int, int, int, int],
        placement: Placement,
        size: int,
    ) -> None:
        """See ``FrameImage.face_cut``."""
        self.image: GpuImage | None = image
        """None once the crops are on the host."""
        self.corners = corners
        self.placement, self.size = placement, size
        self._box_crop: Image | None = None
        self._aligned_crop: Image | None = None
        self._device = image.nv12.device
        _waiting(self._device).add(self)

    def box_crop(self) -> Image:
        self._take_off()
        assert self._box_crop is not None
        return self._box_crop

    def aligned_crop(self) -> Image:
        self._take_off()
        assert self._aligned_crop is not None
        return self._aligned_crop

    def _take_off(self) -> None:
        if self.image is not None:
            _waiting(self._device).take_off([self])

    def prepare_with(self, others: Sequence[FaceCut]) -> None:
        cuts = [cut for cut in (self, *others) if isinstance(cut, GpuCut) and cut.image is not None]
        if cuts:
            _waiting(self._device).take_off(cuts)

    def arrived(self, box_crop: Image, aligned_crop: Image) -> None:
        """Keeps the crops and releases the frame."""
        self._box_crop, self._aligned_crop = box_crop, aligned_crop
        self.image = None


class _Waiting:
    """The cuts whose crops are still on the GPU.

    Their frames stay in GPU memory for as long. So when there are many of them, or they keep much
    memory alive, the crops of all that are still referenced are copied to the host together.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cuts: list[ReferenceType[GpuCut]] = []
        self._blocks: dict[int, int] = {}
        """Address and size in bytes of the pieces of memory that hold their frames."""
        self._most_bytes = int(bytes_at_hand(device) * CUTS_SHARE)
        self._lock = threading.Lock()

    def add(self, cut: GpuCut) -> None:
        with self._lock:
            self._cuts.append(ref(cut))
            self._blocks.update([_block(cut)])
            if self._are_more_than(1.0):
                wanted = self._wanted()
                self._cuts = [ref(cut) for cut in wanted]
                self._blocks = dict(map(_block, wanted))
                if self._are_more_than(0.5):
                    self._take_all()

    def _are_more_than(self, share: float) -> bool:
        """Whether the cuts exceed a share of what may wait."""
        return (
            len(self._cuts) > share * MOST_WAITING
            or len(self._blocks) > share * MOST_BLOCKS
            or sum(self._blocks.values()) > share * self._most_bytes
        )

    def take_off(self, cuts: "Sequence[GpuCut]") -> None:
        """Copies the crops of these cuts to the host; the others stay.

        The crops of one call share their memory: who asks for them drops them together.
        """
        with self._lock:
            for cut, crops in self._taken([cut for cut in cuts if cut.image is not None]):
                cut.arrived(*crops)

    def _take_all(self) -> None:
        """Copies the crops of all cuts to the host, each into memory of its own."""
        cuts = self._wanted()
        self._cuts.clear()
        self._blocks.clear()
        for cut, crops in self._taken(cuts):
            cut.arrived(*(crop.copy() for crop in crops))

    def _taken(
        self, cuts: "Sequence[GpuCut]"
    ) -> "Iterator[tuple[GpuCut, tuple[NDArray[np.uint8], NDArray[np.uint8]]]]":
        """The cuts with both crops: one kernel and one copy for each kind and size of crop."""
        for size in {cut.size for cut in cuts}:
            some = [cut for cut in cuts if cut.size == size]
            of_boxes, turned = self._crops(some, size)
            yield from zip(some, zip(of_boxes, turned, strict=True), strict=True)

    def _crops(
        self, cuts: "Sequence[GpuCut]", size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Box crops, and aligned crops of ``size`` pixels, as ``(n, side, side, 3)`` uint8 RGB."""
        images = [cut.image for cut in cuts if cut.image is not None]
        where = places(
            [image.nv12.data_ptr() for image in images],
            np.array([image.shape[::-1] for image in images]),
            np.array([cut.corners for cut in cuts]),
            np.stack([cut.placement for cut in cuts]),
        )
        colours = [colour_arguments(*image.colour) for image in images]
        copies = stream("copies", self._device, -1)
        with memory_for("face crops"), torch.inference_mode(), torch.cuda.stream(copies):
            table = torch.from_numpy(where).to(self._device)
            matrices = torch.tensor(colours, dtype=torch.float32).to(self._device)
            of_boxes, turned = box_crops(table, matrices), aligned_crops(table, matrices, size)
            return of_boxes.cpu().numpy(), turned.cpu().numpy()

    def _wanted(self) -> list[GpuCut]:
        cuts = (reference() for reference in self._cuts)
        return [cut for cut in cuts if cut is not None and cut.image is not None]


def _block(cut: GpuCut) -> tuple[int, int]:
    """Address and size in bytes of the piece of memory that holds the cut's frame."""
    assert cut.image is not None
    memory = cut.image.nv12.untyped_storage()
    return int(memory.data_ptr()), int(memory.nbytes())


def _waiting(device: torch.device) -> _Waiting:
    return shared(("cuts", device), lambda: _Waiting(device))


@lru_cache(maxsize=16)
def colour_arguments(colorspace: int, full_range: bool) -> tuple[float, ...]:
    """Matrix (row by row) and offset of ``to_rgb_matrix``: 12 arguments of a kernel."""
    matrix, offset = to_rgb_matrix(colorspace, full_range)
    return (*matrix.flatten().tolist(), *offset.tolist())
