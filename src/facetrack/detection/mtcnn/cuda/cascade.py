"""The MTCNN cascade in torch, fused: a batch runs through all three networks without
synchronising with the host, so that a CUDA graph can hold all of it.

It is the algorithm of ``mtcnn.cascade`` with its ``EXACT`` configuration, step by step with the
same names, in arrays of fixed size. On the CPU in float32 it gives the same faces and landmarks
(tests/contract/test_detector.py), so the fused version is tested on machines without a GPU too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Image
from facetrack.cuda.layers import Layers
from facetrack.detection.cuda.batches import GpuFrames
from facetrack.detection.cuda.boxes import corners_inside, regressed, squared, suppressed
from facetrack.detection.cuda.found import Capacity, Found, Slots
from facetrack.detection.mtcnn.cascade import (
    FACE_NMS,
    ONET_SIZE,
    PNET_CELL,
    PNET_STRIDE,
    RNET_SIZE,
    SCALE_NMS,
    CascadeConfig,
    pyramid_scales,
)
from facetrack.detection.mtcnn.cuda.networks import onet, pnet, rnet
from facetrack.detection.mtcnn.cuda.pixels import Pixels, crops, levels
from facetrack.media.frame_image import FrameImage
from facetrack.models.weights import tensors

BYTES_A_PIXEL = 40
"""Device memory for each pixel of a frame: 15 bytes were measured with six faces a frame, and a
crowd needs more."""


@dataclass(frozen=True)
class MtcnnCapacity(Capacity):
    """Sizes of the arrays between the three networks."""

    per_level: int
    """P-Net windows of one pyramid level of one frame."""
    per_image: int
    """Candidates of one frame for R-Net."""
    rnet: int
    """R-Net crops of one frame, on average over the batch."""
    kept: int
    """Candidates of one frame for O-Net."""
    onet: int
    """O-Net crops of one frame, on average over the batch."""
    faces: int
    """Faces of one frame."""


class TorchMtcnn:
    """The three networks and the cascade on one device. Implements ``BatchNetworks``."""

    name = "MTCNN"
    first_capacity = MtcnnCapacity(
        per_level=256, per_image=512, rnet=128, kept=64, onet=16, faces=16
    )

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        settings: DetectionSettings,
        config: CascadeConfig,
    ) -> None:
        self._dtype = dtype
        self._pnet = _pnet_on(device)
        self._rnet, self._onet = (Layers(tensors(n), device, dtype) for n in ("rnet", "onet"))
        self._settings = settings
        self._threshold = settings.pnet_threshold or config.pnet_threshold
        self._nms = config.nms

    def frame_bytes(self, height: int, width: int) -> int:
        return height * width * BYTES_A_PIXEL

    def image(self, image: FrameImage) -> Image:
        return image.rgb()

    def in_images(self, images: Tensor, shape: tuple[int, int], capacity: MtcnnCapacity) -> Found:
        return self.detect(Pixels.of_rgb(images), capacity)

    def in_frames(self, frames: GpuFrames, capacity: MtcnnCapacity) -> Found:
        return self.detect(Pixels.of_frames(frames), capacity)

    def detect(self, pixels: Pixels, capacity: MtcnnCapacity) -> Found:
        """The whole cascade."""
        if not pyramid_scales(pixels.height, pixels.width, self._settings):
            return _no_faces(pixels, capacity)  # the frame is smaller than the smallest face
        squares, wanted = self.pnet_step(pixels, capacity)
        squares, wanted_rnet, wanted_kept = self.rnet_step(pixels, squares, capacity)
        found, wanted_onet, wanted_faces = self.onet_step(pixels, squares, capacity)
        return found._replace(
            wanted=torch.stack([*wanted, wanted_rnet, wanted_kept, wanted_onet, wanted_faces])
        )

    def redetect(self, pixels: Pixels, of_image: Tensor, anchors: Tensor) -> tuple[Tensor, ...]:
        """O-Net's boxes ``(n, 4)``, scores ``(n,)`` and landmarks ``(n, 5, 2)`` for squares where
        faces are expected. The score is 0 where R-Net sees no face.

        ``of_image``: ``(n,)`` position of each one's frame; ``anchors``: ``(n, 4)`` squares.
        """
        corners, inside = corners_inside(anchors, pixels.height, pixels.width)
        small, large = (
            crops(pixels, corners, of_image, size, self._dtype) for size in (RNET_SIZE, ONET_SIZE)
        )
        _, rnet_scores = rnet(self._rnet, small)
        offsets, points, onet_scores = onet(self._onet, large)
        is_face = inside & (rnet_scores > self._settings.rnet_threshold)
        boxes = torch.where(inside[:, None], regressed(anchors, offsets, 1.0), anchors)
        landmarks = torch.where(inside[:, None, None], landmarks_of(anchors, points), 0.0)
        return boxes, torch.where(is_face, onet_scores, 0.0), landmarks

    def pnet_step(self, pixels: Pixels, capacity: MtcnnCapacity) -> tuple[Slots, list[Tensor]]:
        """The squares that P-Net proposes, and the wanted ``per_level`` and ``per_image``."""
        height, width = pixels.height, pixels.width
        scales = pyramid_scales(height, width, self._settings)
        sizes = [(int(height * scale + 1), int(width * scale + 1)) for scale in scales]
        found = []
        all_offsets = []
        cells = 0
        for scale, (offsets, scores) in zip(scales, self._pnet(pixels, sizes), strict=True):
            found.append(self._windows(scores, scale, cells, capacity))
            all_offsets.append(offsets.flatten(2))
            cells += scores[0].numel()
        windows, scores, stays, at = (
            torch.cat(parts, 1) for parts in list(zip(*found, strict=True))[:4]
        )
        per_level = torch.stack([f[4] for f in found]).amax()
        slots, best = Slots(windows, scores, stays).best(capacity.per_image)
        kept = suppressed(slots.boxes, slots.valid, self._nms)
        cell = at.gather(1, best)[:, None].expand(-1, 4, -1)
        offsets = torch.cat(all_offsets, 2).gather(2, cell).transpose(1, 2)
        squares = squared(regressed(slots.boxes, offsets, 0.0))
        return Slots(squares, slots.scores, kept), [per_level, stays.sum(1).amax()]

    def _windows(
        self, probabilities: Tensor, scale: float, cells: int, capacity: MtcnnCapacity
    ) -> tuple[Tensor, ...]:
        """One level's windows ``(b, k, 4)``; their scores, whether they stay and their cells, each
        ``(b, k)``; and the largest number of windows of a frame.

        ``cells``: number of cells of the levels before; cells are numbered over all levels.
        """
        columns = probabilities.shape[2]
        flat = probabilities.flatten(1)
        # topk does not say which of two equal cells comes first; a stable sort does, as in NumPy.
        at = flat.topk(min(capacity.per_level, flat.shape[1]), sorted=False)[1].sort(1)[0]
        scores, order = flat.gather(1, at).sort(descending=True, stable=True)
        at = at.gather(1, order)
        cell = torch.stack([at % columns, at // columns], -1).float()
        # A tensor: by a plain number a GPU multiplies with its inverse, and 15 / 0.6 is not 25.
        divisor = torch.full_like(scores[:1, :1, None], scale)
        low = torch.floor((PNET_STRIDE * cell + 1) / divisor)
        high = torch.floor((PNET_STRIDE * cell + PNET_CELL) / divisor)
        windows = torch.cat([low, high], -1)
        stays = suppressed(windows, scores >= self._threshold, SCALE_NMS)
        most = (flat >= self._threshold).sum(1).amax()
        return windows, scores, stays, at + cells, most

    def rnet_step(
        self, pixels: Pixels, slots: Slots, capacity: MtcnnCapacity
    ) -> tuple[Slots, Tensor, Tensor]:
        """The squares that R-Net keeps, moved, and the wanted ``rnet`` and ``kept``."""
        corners, inside = corners_inside(slots.boxes, pixels.height, pixels.width)
        batch = _CropBatch(slots.valid & inside, capacity.rnet)
        offsets, scores = rnet(self._rnet, batch.crops(pixels, corners, RNET_SIZE, self._dtype))
        scores = batch.per_frame(scores)
        passed = batch.mask & (scores > self._settings.rnet_threshold)
        best, at = Slots(slots.boxes, scores, passed).best(capacity.kept)
        kept = suppressed(best.boxes, best.valid, self._nms)
        offsets = batch.per_frame(offsets).gather(1, at[..., None].expand(-1, -1, 4))
        squares = squared(regressed(best.boxes, offsets, 1.0))
        return Slots(squares, best.scores, kept), batch.wanted, passed.sum(1).amax()

    def onet_step(
        self, pixels: Pixels, slots: Slots, capacity: MtcnnCapacity
    ) -> tuple[Found, Tensor, Tensor]:
        """O-Net's faces, and the wanted ``onet`` and ``faces``."""
        corners, inside = corners_inside(slots.boxes, pixels.height, pixels.width)
        batch = _CropBatch(slots.valid & inside, capacity.onet)
        offsets, points, scores = onet(
            self._onet, batch.crops(pixels, corners, ONET_SIZE, self._dtype)
        )
        scores = batch.per_frame(scores)
        boxes = regressed(slots.boxes, batch.per_frame(offsets), 1.0)
        passed = batch.mask & (scores > self._settings.onet_threshold)
        best, at = Slots(boxes, scores, passed).best(passed.shape[1])
        stays = suppressed(best.boxes, best.valid, FACE_NMS, inclusive=1.0, of_smaller=True)
        faces, of_best = best._replace(valid=stays).best(capacity.faces)
        at = at.gather(1, of_best)
        anchors = slots.boxes.gather(1, at[..., None].expand(-1, -1, 4))
        points = batch.per_frame(points).gather(1, at[..., None].expand(-1, -1, 10))
        count = stays.sum(1)
        found = Found(
            faces.boxes, faces.scores, landmarks_of(anchors, points), anchors, count, count
        )
        return found, batch.wanted, count.amax()


def _no_faces(pixels: Pixels, capacity: MtcnnCapacity) -> Found:
    frames = len(pixels.table)
    places = pixels.table.new_zeros((frames, capacity.faces, 4), dtype=torch.float32)
    landmarks = places.new_zeros((frames, capacity.faces, 5, 2))
    wanted = pixels.table.new_zeros(len(fields(capacity)))
    return Found(places, places[..., 0], landmarks, places, wanted.new_zeros(frames), wanted)


class _CropBatch:
    """The crops of all frames that go through a network in one batch. The batch has a fixed number
    of places for each frame; a frame may take the places that others leave empty."""

    def __init__(self, mask: Tensor, of_each: int) -> None:
        """``mask``: ``(b, k)`` which candidates have a crop; ``of_each``: places for each frame."""
        places = of_each * len(mask)
        flat = mask.flatten()
        order = flat.cumsum(0) - 1
        total = order[-1] + 1
        self.wanted = (total + len(mask) - 1) // len(mask)
        """Places for each frame with which every candidate would have had one."""
        slots = torch.arange(flat.numel(), device=flat.device)
        goes = torch.where(flat & (order < places), order, places)
        self._slot = slots.new_zeros(places + 1).scatter_(0, goes, slots)[:places]
        seated = torch.arange(places, device=flat.device) < total
        self._home = torch.where(seated, self._slot, flat.numel())
        self.mask = mask & (order < places).view_as(mask)
        """``(b, k)`` which candidates have a place."""

    def crops(self, pixels: Pixels, corners: Tensor, size: int, dtype: torch.dtype) -> Tensor:
        """``(places, 3, size, size)``; ``corners``: ``(b, k, 4)`` of the candidates."""
        of_image = self._slot // self.mask.shape[1]
        return crops(pixels, corners.flatten(0, 1)[self._slot], of_image, size, dtype)

    def per_frame(self, values: Tensor) -> Tensor:
        """``(places, ...)`` outputs to ``(b, k, ...)``; 0 where a candidate has no place."""
        result = values.new_zeros(self.mask.numel() + 1, *values.shape[1:])
        result[self._home] = values
        return result[:-1].view(*self.mask.shape, *values.shape[1:])


Pnet = Callable[[Pixels, Sequence[tuple[int, int]]], list[tuple[Tensor, Tensor]]]
"""``networks.pnet`` of pyramid levels of these heights and widths."""


def _pnet_on(device: torch.device) -> Pnet:
    """P-Net, as exact as float32 on any device."""
    net = Layers(tensors("pnet"), device, torch.float32)
    if device.type != "cuda":
        return lambda pixels, sizes: [pnet(net, level) for level in levels(pixels, sizes)]
    from facetrack.detection.mtcnn.cuda.pnet import PnetWeights, pnet_on_gpu

    weights = PnetWeights.of(net)
    return lambda pixels, sizes: pnet_on_gpu(weights, pixels.table, sizes)


def landmarks_of(squares: Tensor, points: Tensor) -> Tensor:
    """O-Net's ``(..., 10)`` shares of squares to ``(..., 5, 2)`` pixels of the frame."""
    size = squares[..., 2:] - squares[..., :2] + 1
    x = size[..., :1] * points[..., :5] + squares[..., :1] - 1
    y = size[..., 1:] * points[..., 5:] + squares[..., 1:2] - 1
    return torch.stack([x, y], -1)
