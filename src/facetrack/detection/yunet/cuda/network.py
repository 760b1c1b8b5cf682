"""YuNet in torch for a batch of frames, from the same arrays as the OpenVINO graph.

It computes what ``yunet.decoding`` computes, decoding and suppression included, without
synchronising with the host in between, so that a CUDA graph can hold all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Image
from facetrack.cuda.layers import Layers
from facetrack.detection.aligner import IS_FACE
from facetrack.detection.cuda.batches import GpuFrames
from facetrack.detection.cuda.boxes import squared, suppressed
from facetrack.detection.cuda.found import Capacity, Found, Slots, padded_to, rows
from facetrack.detection.mtcnn.cuda.cascade import TorchMtcnn
from facetrack.detection.mtcnn.cuda.pixels import Pixels
from facetrack.detection.yunet.decoding import (
    CANDIDATES,
    NMS,
    SCORE,
    STRIDES,
    padded,
    padded_size,
    scaled_size,
)
from facetrack.media.frame_image import FrameImage
from facetrack.models.weights import tensors

BYTES_A_PIXEL = 40
"""Device memory for each pixel of the network's input."""


@dataclass(frozen=True)
class YunetCapacity(Capacity):
    """Sizes of the arrays after the network."""

    candidates: int
    """Boxes of one frame before suppression."""
    faces: int
    """Faces of one frame."""


class TorchYunet:
    """The network on one device. Implements ``BatchNetworks``."""

    name = "YuNet"
    first_capacity = YunetCapacity(candidates=128, faces=16)

    def __init__(
        self, device: torch.device, settings: DetectionSettings, onet: TorchMtcnn | None
    ) -> None:
        """``onet``: places the landmarks of faces in frames in GPU memory; None: YuNet does."""
        self._settings = settings
        self._onet = onet
        net = Layers(tensors("yunet"), device, torch.float32)
        self._network = _on_gpu(net) if device.type == "cuda" else _on_cpu(net)

    def frame_bytes(self, height: int, width: int) -> int:
        rows, columns = padded_size(*scaled_size(height, width, self._settings))
        packed = 0 if self._onet is None else 4 * height * width
        return rows * columns * BYTES_A_PIXEL + packed

    def image(self, image: FrameImage) -> Image:
        return image.scaled(*scaled_size(*image.shape, self._settings))

    def in_images(self, images: Tensor, shape: tuple[int, int], capacity: YunetCapacity) -> Found:
        planes = torch.stack([torch.from_numpy(padded(image.numpy())) for image in images])
        return self._found(self._network(planes), planes.shape[1:3], shape, capacity)

    def in_frames(self, frames: GpuFrames, capacity: YunetCapacity) -> Found:
        from facetrack.cuda.kernels.scaling import nv12_scaled, rgb_padded

        size = scaled_size(*frames.shape, self._settings)
        whole = padded_size(*size)
        if frames.matrix is None:
            packed = rgb_padded(frames.pointers, size, whole)
        else:
            packed = nv12_scaled(frames.pointers, frames.shape, size, whole, frames.matrix)
        found = self._found(self._network(packed), whole, frames.shape, capacity)
        if self._onet is None or frames.matrix is None:
            return found
        return found._replace(
            landmarks=_placed_by_onet(self._onet, Pixels.of_frames(frames), found)
        )

    def _found(
        self, raw: Tensor, whole: tuple[int, int], shape: tuple[int, int], capacity: YunetCapacity
    ) -> Found:
        """The faces in the network's ``(b, cells, 16)`` outputs.

        ``whole``: height and width of the network's input; ``shape``: of the frames.
        """
        both = (raw[..., 0].sigmoid() * raw[..., 1].sigmoid()).sqrt()
        most = min(capacity.candidates, CANDIDATES, raw.shape[1])
        scores, at = both.topk(most)
        cells = _cells(whole, raw.device)[at]
        numbers = rows(raw, at)
        corner, stride = cells[..., :2], cells[..., 2:]
        centre = (corner + numbers[..., 2:4]) * stride
        half = numbers[..., 4:6].exp() * (stride / 2)
        boxes = torch.cat([centre - half, centre + half], -1)
        stays = suppressed(boxes, scores >= SCORE, NMS)
        faces, of_best = Slots(boxes, scores, stays).best(capacity.faces)
        marks = rows(numbers[..., 6:], of_best).unflatten(-1, (5, 2))
        marks = (rows(corner, of_best)[..., None, :] + marks) * rows(stride, of_best)[..., None]
        height, width = scaled_size(*shape, self._settings)
        # Filled on the device: a graph cannot copy numbers from the host.
        scale = torch.cat([marks.new_full((1,), n) for n in (shape[1] / width, shape[0] / height)])
        boxes = padded_to(faces.boxes * scale.repeat(2), capacity.faces)
        count = stays.sum(1)
        wanted = [(both >= SCORE).sum(1).amax().clamp(max=CANDIDATES), count.amax()]
        return Found(
            boxes,
            padded_to(faces.scores, capacity.faces),
            padded_to(marks * scale, capacity.faces),
            boxes,
            count,
            torch.stack(wanted),
        )


def _placed_by_onet(onet: TorchMtcnn, pixels: Pixels, found: Found) -> Tensor:
    """``(b, faces, 5, 2)`` landmarks, by O-Net where it sees a face."""
    frames, faces, _ = found.boxes.shape
    of_frame = torch.arange(frames, device=found.boxes.device)[:, None].expand(-1, faces)
    squares = squared(found.boxes).flatten(0, 1)
    _, scores, landmarks = onet.redetect(pixels, of_frame.flatten(), squares)
    sure = (scores >= IS_FACE).view(frames, faces, 1, 1)
    return torch.where(sure, landmarks.view_as(found.landmarks), found.landmarks)


def _cells(whole: tuple[int, int], device: torch.device) -> Tensor:
    """``(cells, 3)`` column, row and stride of every cell, stride after stride, row by row."""
    height, width = whole
    parts = []
    for stride in STRIDES:
        ends = height // stride, width // stride
        row, column = (torch.arange(n, device=device, dtype=torch.float32) for n in ends)
        grid = torch.stack(torch.meshgrid(column, row, indexing="xy"), -1).flatten(0, 1)
        parts.append(F.pad(grid, (0, 1), value=float(stride)))
    return torch.cat(parts)


HEADS = ("cls", "obj", "bbox", "kps")
"""The heads, in the order of the 16 outputs: class, objectness, box, landmarks."""
Network = Callable[[Tensor], Tensor]
"""Frames to ``(b, cells, 16)`` float32, all raw; cells as in ``_cells``."""


def _on_cpu(net: Layers) -> Network:
    """The network for ``(b, h, w, 3)`` uint8 RGB whose sides are multiples of 32."""
    return lambda images: yunet(net, images.flip(3).permute(0, 3, 1, 2).float())


def yunet(net: Layers, x: Tensor) -> Tensor:
    """``(n, 3, h, w)`` BGR, 0 to 255, to ``Network``'s outputs."""
    x = F.relu(net.conv(x, "stem", stride=2, pad=(1, 1)))
    x = _unit(net, x, "stage0")
    x = _unit(net, _unit(net, F.max_pool2d(x, 2), "stage1a"), "stage1b")
    x = _unit(net, _unit(net, x, "stage2a"), "stage2b")
    features = []
    for stage in ("stage3", "stage4", "stage5"):
        x = _unit(net, _unit(net, F.max_pool2d(x, 2), f"{stage}a"), f"{stage}b")
        features.append(x)
    features[2] = _unit(net, features[2], "neck2")
    for i in (1, 0):
        above = F.interpolate(features[i + 1], scale_factor=2.0, mode="nearest")
        features[i] = _unit(net, features[i] + above, f"neck{i}")
    outputs = []
    for i, x in enumerate(features):
        of_stride = torch.cat([_separable(net, x, f"{head}{i}") for head in HEADS], 1)
        outputs.append(of_stride.flatten(2).transpose(1, 2))
    return torch.cat(outputs, 1)


def _unit(net: Layers, x: Tensor, name: str) -> Tensor:
    return F.relu(_separable(net, x, name))


def _separable(net: Layers, x: Tensor, name: str) -> Tensor:
    return net.depthwise(net.conv(x, f"{name}.pw"), f"{name}.dw")


def _on_gpu(net: Layers) -> Network:
    """The network for ``(b, h, w)`` int32 packed pixels (``cuda.kernels.pixels``) whose sides are
    multiples of 32."""
    from facetrack.detection.yunet.cuda.units import Unit, heads, stem, stem_taps, unit

    def of(name: str) -> Unit:
        return Unit.of(net, name)

    taps, shift = stem_taps(net["stem.weight"]), net["stem.bias"]
    before = of("stage0"), of("stage1a"), of("stage1b"), of("stage2a"), of("stage2b")
    stages = [(of(f"stage{i}a"), of(f"stage{i}b")) for i in (3, 4, 5)]
    necks = [of(f"neck{i}") for i in range(3)]
    of_heads = [Unit.of(net, *(f"{head}{i}" for head in HEADS)) for i in range(3)]

    def network(packed: Tensor) -> Tensor:
        x = unit(stem(packed, taps, shift), before[0], pool=True)
        x = unit(unit(unit(x, before[1]), before[2]), before[3])
        x = unit(x, before[4], pool=True)
        features = []
        for i, (first, second) in enumerate(stages):
            if i:
                x = F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
            x = unit(unit(x, first), second)
            features.append(x)
        features[2] = unit(features[2], necks[2])
        for i in (1, 0):
            features[i] = unit(features[i], necks[i], above=features[i + 1])
        return heads(features, of_heads)

    return network
