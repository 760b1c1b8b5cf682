"""Reference embeddings: a synthetic cohort, and crops without a face.

**Cohort.** A network that was trained on few people of a group finds that all of that group are
similar: the cosine of two different East Asian people is as high for InceptionResnetV1 (CASIA) as
that of one person elsewhere. Such embeddings are close to many others. So what two embeddings have
in common with a cohort of other people does not show that they are one person. This is cohort
normalisation, as in speaker verification (Auckenthaler et al., 2000). The cohort is synthetic: it
is drawn from a normal distribution with the mean and the principal directions of real people's
embeddings, and none of its members is a real person. On pairs of people who were not used it does
nearly as well as real people (docs/identity.md).

**Featureless crops.** A network that was trained to tell faces apart gives crops without features
(a hand, hair, a coat of arms) nearly the same embedding. It does the same with blurred ovals of
noise, which can be made at any time for any embedder. Of 434 boxes of five films, labelled by eye
as face or not, the cosine with the mean of such ovals told 95.5 % of all pairs of a face and
another box apart by SFace (93 % by InceptionResnetV1), and all of the tracks of two of the films
(means over five faces).
"""

from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from facetrack.core.types import Float32, Image
from facetrack.recognition.embedder import Embedder

COHORT_SIZE = 256
CLOSEST = 5
"""Number of the closest members that count."""
DIRECTIONS = 30
"""Number of principal directions that are kept of real people's embeddings."""
COHORT_FILES = {"facenet": "strangers_facenet.npy"}
"""Distributions that come with the product, by the embedder's name."""

FEATURELESS_FILES = {"sface": "featureless_sface.npy", "facenet": "featureless_facenet.npy"}
"""Directions that come with the product, by the embedder's name; ``measured_direction`` made
them."""
OVALS = 64
"""Enough for a mean whose cosine with that of 256 is 0.985 by SFace, 0.996 by InceptionResnetV1."""
BLURS = (0.01, 0.02, 0.04, 0.08, 0.15)
"""Standard deviations of the blur, as shares of the crop's side."""


class Cohort:
    """Embeddings of synthetic people."""

    def __init__(self, distribution: NDArray[np.float16]) -> None:
        """``distribution``: ``(1 + k, dim)``, the mean, then each direction times its spread."""
        mean, spread = distribution[0].astype(np.float64), distribution[1:].astype(np.float64)
        draws = np.random.default_rng(0).normal(size=(COHORT_SIZE, len(spread)))
        people = mean + draws @ spread
        people /= np.linalg.norm(people, axis=1, keepdims=True)
        self._people: Float32 = people.astype(np.float32)

    def commonness(self, embeddings: Float32) -> NDArray[np.float64]:
        """``(n,)``: mean cosine of ``(n, dim)`` unit embeddings with the closest members."""
        closest = np.partition(embeddings @ self._people.T, -CLOSEST, axis=1)[:, -CLOSEST:]
        return np.asarray(closest.mean(axis=1), np.float64)


@lru_cache(maxsize=4)
def cohort_of(name: str) -> Cohort | None:
    """The cohort for the embedder of this name; None where none comes with the product."""
    if name not in COHORT_FILES:
        return None
    with (files(__package__) / COHORT_FILES[name]).open("rb") as file:
        return Cohort(np.load(file))


def featureless_direction(embedder: Embedder) -> Float32:
    """``(dim,)`` of length one: the mean embedding of crops that show no features.

    It is stored for the embedders that come with the product, and measured for others.
    """
    if embedder.name in FEATURELESS_FILES:
        with (files(__package__) / FEATURELESS_FILES[embedder.name]).open("rb") as file:
            return np.asarray(np.load(file), np.float32)
    return measured_direction(embedder)


def measured_direction(embedder: Embedder) -> Float32:
    """The same direction, measured with the embedder."""
    chance = np.random.default_rng(0)
    crops = np.stack([_oval(chance, embedder.crop.size) for _ in range(OVALS)])
    mean = embedder.embed(crops).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _oval(chance: np.random.Generator, size: int) -> Image:
    """A bright, blurred, patchy oval on a plain ground, placed as a face is in its crop."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    inside = (x / chance.uniform(0.3, 0.45)) ** 2 + (y / chance.uniform(0.4, 0.5)) ** 2 < 1
    share = gaussian_filter(inside.astype(np.float64), size * 0.03)[..., None]
    patches = gaussian_filter(chance.normal(size=(size, size)), size * chance.choice(BLURS))
    skin = np.array([200, 150, 120]) * chance.uniform(0.4, 1.1)
    image = share * skin + (1 - share) * chance.uniform(0, 200, 3)
    image += chance.uniform(5, 30) * patches[..., None] / patches.std()
    return np.asarray(np.clip(image, 0, 255), np.uint8)
