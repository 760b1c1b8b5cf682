"""The MTCNN cascade on a device, a batch of frames at once, without asking the host in between.

The same numbers as ``detection.mtcnn`` with dense settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Image
from facetrack.detection.cuda.batches import GpuFrames
from facetrack.detection.cuda.boxes import corners_inside, regressed, squared, suppressed
from facetrack.detection.cuda.found import Found, Room, Slots
from facetrack.detection.cuda.networks import Layers, onet, pnet, rnet
from facetrack.detection.cuda.pixels import Pixels, crops, levels
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
from facetrack.media.frame_image import FrameImage
from facetrack.models.weights import tensors

BYTES_A_PIXEL = 40
"""Of device memory for each pixel of a batch's frames: 15 were measured with six faces a frame, and
a crowd needs more room."""


@dataclass(frozen=True)
class MtcnnRoom(Room):
    """Sizes of the arrays between the three networks."""

    per_level: int
    """P-Net windows of one level of one frame."""
    per_image: int
    """Candidates of one frame for R-Net."""
    rnet: int
    """Crops a frame for R-Net, on average over the batch."""
    kept: int
    """Candidates of one frame for O-Net."""
    onet: int
    """Crops a frame for O-Net, on average over the batch."""
    faces: int
    """Faces of one frame."""


class TorchMtcnn:
    """The three detector networks on one device. Implements ``BatchNetworks``."""

    name = "MTCNN"
    first_room = MtcnnRoom(per_level=256, per_image=512, rnet=128, kept=64, onet=16, faces=16)

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

    def in_images(self, images: Tensor, shape: tuple[int, int], room: MtcnnRoom) -> Found:
        return self.detect(Pixels.of_rgb(images), room)

    def in_frames(self, frames: GpuFrames, room: MtcnnRoom) -> Found:
        return self.detect(Pixels.of_frames(frames), room)

    def detect(self, pixels: Pixels, room: MtcnnRoom) -> Found:
        """The whole cascade."""
        squares, wanted = self.propose(pixels, room)
        squares, wanted_rnet, wanted_kept = self.refine(pixels, squares, room)
        found, wanted_onet, wanted_faces = self.decide(pixels, squares, room)
        return found._replace(
            wanted=torch.stack([*wanted, wanted_rnet, wanted_kept, wanted_onet, wanted_faces])
        )

    def look(self, pixels: Pixels, of_image: Tensor, anchors: Tensor) -> tuple[Tensor, ...]:
        """O-Net's boxes, scores and landmarks for squares; score 0 where R-Net sees no face."""
        corners, inside = corners_inside(anchors, pixels.height, pixels.width)
        small, large = (
            crops(pixels, corners, of_image, size, self._dtype) for size in (RNET_SIZE, ONET_SIZE)
        )
        _, likely = rnet(self._rnet, small)
        offsets, points, scores = onet(self._onet, large)
        sees = inside & (likely > self._settings.rnet_threshold)
        boxes = torch.where(inside[:, None], regressed(anchors, offsets, 1.0), anchors)
        landmarks = torch.where(inside[:, None, None], landmarks_of(anchors, points), 0.0)
        return boxes, torch.where(sees, scores, 0.0), landmarks

    def propose(self, pixels: Pixels, room: MtcnnRoom) -> tuple[Slots, list[Tensor]]:
        """The squares that P-Net proposes in each frame."""
        height, width = pixels.height, pixels.width
        scales = pyramid_scales(height, width, self._settings)
        sizes = [(int(height * scale + 1), int(width * scale + 1)) for scale in scales]
        found = []
        offsets = []
        cells = 0
        for scale, (moves, scores) in zip(scales, self._pnet(pixels, sizes), strict=True):
            found.append(self._windows(scores, scale, cells, room))
            offsets.append(moves.flatten(2))
            cells += scores[0].numel()
        windows, scores, stays, at = (
            torch.cat(parts, 1) for parts in list(zip(*found, strict=True))[:4]
        )
        per_level = torch.stack([f[4] for f in found]).amax()
        slots, best = Slots(windows, scores, stays).best(room.per_image)
        kept = suppressed(slots.boxes, slots.valid, self._nms)
        cell = at.gather(1, best)[:, None].expand(-1, 4, -1)
        moves = torch.cat(offsets, 2).gather(2, cell).transpose(1, 2)
        squares = squared(regressed(slots.boxes, moves, 0.0))
        return Slots(squares, slots.scores, kept), [per_level, stays.sum(1).amax()]

    def _windows(
        self, probabilities: Tensor, scale: float, cells: int, room: MtcnnRoom
    ) -> tuple[Tensor, ...]:
        """One level's windows ``(b, k, 4)``, scores, which stay, cells, and most in a frame.

        ``cells``: of the levels before, so that a cell's number is one of all levels.
        """
        columns = probabilities.shape[2]
        flat = probabilities.flatten(1)
        # topk leaves open which of two equal cells comes first: it is the first, as in NumPy.
        at = flat.topk(min(room.per_level, flat.shape[1]), sorted=False)[1].sort(1)[0]
        scores, order = flat.gather(1, at).sort(descending=True, stable=True)
        at = at.gather(1, order)
        cell = torch.stack([at % columns, at // columns], -1).float()
        # By a tensor: a GPU multiplies by the inverse of a number, and 15 / 0.6 is not 25 then.
        divisor = torch.full_like(scores[:1, :1, None], scale)
        low = torch.floor((PNET_STRIDE * cell + 1) / divisor)
        high = torch.floor((PNET_STRIDE * cell + PNET_CELL) / divisor)
        windows = torch.cat([low, high], -1)
        stays = suppressed(windows, scores >= self._threshold, SCALE_NMS)
        most = (flat >= self._threshold).sum(1).amax()
        return windows, scores, stays, at + cells, most

    def refine(self, pixels: Pixels, slots: Slots, room: MtcnnRoom) -> tuple[Slots, Tensor, Tensor]:
        """What R-Net leaves of the squares, moved and squared again."""
        corners, inside = corners_inside(slots.boxes, pixels.height, pixels.width)
        crew = _Crew(slots.valid & inside, room.rnet)
        offsets, scores = rnet(self._rnet, crew.crops(pixels, corners, RNET_SIZE, self._dtype))
        scores = crew.back(scores)
        passed = crew.mask & (scores > self._settings.rnet_threshold)
        best, at = Slots(slots.boxes, scores, passed).best(room.kept)
        kept = suppressed(best.boxes, best.valid, self._nms)
        moves = crew.back(offsets).gather(1, at[..., None].expand(-1, -1, 4))
        squares = squared(regressed(best.boxes, moves, 1.0))
        return Slots(squares, best.scores, kept), crew.wanted, passed.sum(1).amax()

    def decide(self, pixels: Pixels, slots: Slots, room: MtcnnRoom) -> tuple[Found, Tensor, Tensor]:
        """O-Net's faces."""
        corners, inside = corners_inside(slots.boxes, pixels.height, pixels.width)
        crew = _Crew(slots.valid & inside, room.onet)
        offsets, points, scores = onet(
            self._onet, crew.crops(pixels, corners, ONET_SIZE, self._dtype)
        )
        scores = crew.back(scores)
        boxes = regressed(slots.boxes, crew.back(offsets), 1.0)
        passed = crew.mask & (scores > self._settings.onet_threshold)
        best, at = Slots(boxes, scores, passed).best(passed.shape[1])
        stays = suppressed(best.boxes, best.valid, FACE_NMS, inclusive=1.0, of_smaller=True)
        faces, of_best = best._replace(valid=stays).best(room.faces)
        at = at.gather(1, of_best)
        anchors = slots.boxes.gather(1, at[..., None].expand(-1, -1, 4))
        points = crew.back(points).gather(1, at[..., None].expand(-1, -1, 10))
        count = stays.sum(1)
        found = Found(
            faces.boxes, faces.scores, landmarks_of(anchors, points), anchors, count, count
        )
        return found, crew.wanted, count.amax()


class _Crew:
    """The candidates of all frames that go through a network together, so many places each;
    what one does not need another may take."""

    def __init__(self, mask: Tensor, of_each: int) -> None:
        places = of_each * len(mask)
        flat = mask.flatten()
        order = flat.cumsum(0) - 1
        total = order[-1] + 1
        self.wanted = (total + len(mask) - 1) // len(mask)
        """Places for each frame with which nobody would have had to stay behind."""
        slots = torch.arange(flat.numel(), device=flat.device)
        goes = torch.where(flat & (order < places), order, places)
        self._slot = slots.new_zeros(places + 1).scatter_(0, goes, slots)[:places]
        seated = torch.arange(places, device=flat.device) < total
        self._home = torch.where(seated, self._slot, flat.numel())
        self.mask = mask & (order < places).view_as(mask)

    def crops(self, pixels: Pixels, corners: Tensor, size: int, dtype: torch.dtype) -> Tensor:
        of_image = self._slot // self.mask.shape[1]
        return crops(pixels, corners.flatten(0, 1)[self._slot], of_image, size, dtype)

    def back(self, values: Tensor) -> Tensor:
        """``(places, ...)`` to ``(b, k, ...)``; 0 where nobody went."""
        result = values.new_zeros(self.mask.numel() + 1, *values.shape[1:])
        result[self._home] = values
        return result[:-1].view(*self.mask.shape, *values.shape[1:])


Pnet = Callable[[Pixels, Sequence[tuple[int, int]]], list[tuple[Tensor, Tensor]]]
"""``networks.pnet`` of pyramid levels of the sizes given."""


def _pnet_on(device: torch.device) -> Pnet:
    """P-Net as exact as float32 on any device."""
    net = Layers(tensors("pnet"), device, torch.float32)
    if device.type != "cuda":
        return lambda pixels, sizes: [pnet(net, level) for level in levels(pixels, sizes)]
    from facetrack.detection.mtcnn.cuda.pnet import PnetWeights, pnet_on_gpu

    weights = PnetWeights.of(net)
    return lambda pixels, sizes: pnet_on_gpu(weights, pixels.table, sizes)


def landmarks_of(squares: Tensor, points: Tensor) -> Tensor:
    """``(..., 10)`` shares of squares to ``(..., 5, 2)`` frame pixels."""
    size = squares[..., 2:] - squares[..., :2] + 1
    x = size[..., :1] * points[..., :5] + squares[..., :1] - 1
    y = size[..., 1:] * points[..., 5:] + squares[..., 1:2] - 1
    return torch.stack([x, y], -1)
