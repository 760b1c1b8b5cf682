"""What an embedder sees where there is no face: the direction of embeddings without features.

A network that was trained to tell faces apart gives crops without features (a hand, hair, a coat of
arms) nearly the same embedding. So does it with blurred ovals of noise, which can be made at any
time for any embedder. Of 434 boxes of five films, marked by eye as faces or as none, the cosine
with the mean of such ovals told 95.5 % of all pairs of a face and a box without one apart by SFace
(93 % by InceptionResnetV1); of the tracks of two of them, means over five faces, all.
"""

from importlib.resources import files

import numpy as np
from scipy.ndimage import gaussian_filter

from facetrack.core.types import Float32, Image
from facetrack.recognition.embedder import Embedder

SHIPPED = {"sface": "featureless_sface.npy", "facenet": "featureless_facenet.npy"}
"""By the embedder's name, in this folder; ``measured_direction`` made them."""
OVALS = 64
"""Enough for a mean whose cosine with that of 256 is 0.985 by SFace, 0.996 by InceptionResnetV1."""
BLURS = (0.01, 0.02, 0.04, 0.08, 0.15)
"""Standard deviations of the blur, as shares of the crop's side."""


def featureless_direction(embedder: Embedder) -> Float32:
    """``(dim,)`` of length one: the mean embedding of crops that show no features.

    Of the recognisers that come with the product it is stored.
    """
    if embedder.name in SHIPPED:
        with (files(__package__) / SHIPPED[embedder.name]).open("rb") as file:
            return np.asarray(np.load(file), np.float32)
    return measured_direction(embedder)


def measured_direction(embedder: Embedder) -> Float32:
    """The same, from the embedder itself."""
    chance = np.random.default_rng(0)
    crops = np.stack([_oval(chance, embedder.crop.size) for _ in range(OVALS)])
    mean = embedder.embed(crops).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _oval(chance: np.random.Generator, size: int) -> Image:
    """A bright, blurred, patchy oval on a plain ground, about as a face stands in its crop."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    inside = (x / chance.uniform(0.3, 0.45)) ** 2 + (y / chance.uniform(0.4, 0.5)) ** 2 < 1
    share = gaussian_filter(inside.astype(np.float64), size * 0.03)[..., None]
    patches = gaussian_filter(chance.normal(size=(size, size)), size * chance.choice(BLURS))
    skin = np.array([200, 150, 120]) * chance.uniform(0.4, 1.1)
    image = share * skin + (1 - share) * chance.uniform(0, 200, 3)
    image += chance.uniform(5, 30) * patches[..., None] / patches.std()
    return np.asarray(np.clip(image, 0, 255), np.uint8)
