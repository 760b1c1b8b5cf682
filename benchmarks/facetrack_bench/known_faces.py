"""The simplest way to tell people apart: each face is the nearest known one, or somebody new."""

import numpy as np
from numpy.typing import NDArray


class KnownFaces:
    """Numbers people from 1, by the first embedding of each.

    Args:
        most: largest Euclidean distance at which two embeddings are one person's.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._known: list[NDArray[np.floating]] = []

    def numbers_of(self, embeddings: NDArray[np.floating]) -> list[int]:
        """Who the faces of one frame are. Nobody is there twice: the nearest face is the person.

        Args:
            embeddings: ``(n, size)``.

        Returns:
            The number of each face's person.
        """
        numbers = [0] * len(embeddings)
        if self._known and len(embeddings):
            known = np.stack(self._known)
            far = np.linalg.norm(embeddings[:, None] - known, axis=2)
            for face, person in np.argwhere(far <= self._most)[
                np.argsort(far[far <= self._most], kind="stable")
            ].tolist():
                if not numbers[face] and person + 1 not in numbers:
                    numbers[face] = person + 1
        for face, number in enumerate(numbers):
            if not number:
                self._known.append(embeddings[face])
                numbers[face] = len(self._known)
        return numbers
