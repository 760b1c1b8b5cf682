"""How much an embedding looks like everybody: its closeness to people who do not exist.

A network that was trained on few people of a group finds that all of that group look alike: the
cosine of two different East Asian people is as high for InceptionResnetV1 (CASIA) as that of one
person elsewhere. Such embeddings are close to many others, so what two embeddings have in common
with strangers says nothing of whether they are one person. That is the idea of cohort
normalisation in speaker verification (Auckenthaler et al., 2000).

The strangers are drawn from a normal distribution with the mean and the chief directions of real
people's embeddings. None of them is a real person. On pairs of people who were not used they do
nearly as well as real people (docs/identity.md).
"""

from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32

HOW_MANY = 256
CLOSEST = 5
"""How many of the closest strangers count."""
DIRECTIONS = 30
"""Chief directions that are kept of real people's embeddings."""
SHIPPED = {"facenet": "strangers_facenet.npy"}
"""Distributions that come with the product, by the embedder's name."""


class Strangers:
    """People who do not exist."""

    def __init__(self, distribution: NDArray[np.float16]) -> None:
        """``distribution``: ``(1 + k, dim)``, the mean, then each direction times its spread."""
        mean, spread = distribution[0].astype(np.float64), distribution[1:].astype(np.float64)
        draws = np.random.default_rng(0).normal(size=(HOW_MANY, len(spread)))
        people = mean + draws @ spread
        people /= np.linalg.norm(people, axis=1, keepdims=True)
        self._people: Float32 = people.astype(np.float32)

    def commonness(self, embeddings: Float32) -> NDArray[np.float64]:
        """``(n,)``: mean cosine of ``(n, dim)`` unit embeddings with the closest strangers."""
        closest = np.partition(embeddings @ self._people.T, -CLOSEST, axis=1)[:, -CLOSEST:]
        return np.asarray(closest.mean(axis=1), np.float64)


def distribution_of(people: Float32) -> NDArray[np.float16]:
    """``(1 + k, dim)`` for ``Strangers``, of ``(n, dim)`` mean embeddings of real people."""
    mean = people.mean(axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(people - mean, full_matrices=False)
    spread = sizes[:DIRECTIONS, None] * axes[:DIRECTIONS] / np.sqrt(max(len(people) - 1, 1))
    return np.concatenate([mean[None], spread]).astype(np.float16)


@lru_cache(maxsize=4)
def strangers_of(name: str) -> Strangers | None:
    """The strangers for the embedder of this name; None where none come with the product."""
    if name not in SHIPPED:
        return None
    with (files(__package__) / SHIPPED[name]).open("rb") as file:
        return Strangers(np.load(file))
