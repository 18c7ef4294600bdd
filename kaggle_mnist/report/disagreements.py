"""The digits that only one of two runs read correctly, to be shown as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 12  # pictures for each side of a pair


@dataclass(frozen=True)
class Disagreement:
    """A labeled image that one run read correctly and the other did not.

    Attributes
    ----------
    image : its number, from 0
    label : 0 to 9
    readings : for the first and the second run, the digit read and its out-of-fold output, 0 to 1
    """

    image: int
    label: int
    readings: tuple[tuple[int, float], tuple[int, float]]


def disagreements(
    first: NDArray[np.float32], second: NDArray[np.float32], y_true: NDArray[np.int64], most: int = MOST
) -> tuple[list[Disagreement], list[Disagreement]]:
    """The images that only the first run read correctly, and those that only the second did.

    Parameters
    ----------
    first, second : out-of-fold outputs of two runs on the same images, ``(n, 10)``
    y_true : labels, ``(n,)``
    most : how many of each are returned at most: those that the other run was most confident about

    Examples
    --------
    >>> first, second = np.eye(10, dtype=np.float32)[[4, 7]], np.eye(10, dtype=np.float32)[[9, 1]]
    >>> only_first, only_second = disagreements(first, second, np.array([4, 1]))
    >>> only_first[0].readings, [found.image for found in only_second]
    (((4, 1.0), (9, 1.0)), [1])
    """
    read = first.argmax(1), second.argmax(1)
    right = read[0] == y_true, read[1] == y_true
    sides = []
    for wrong, images in ((second, right[0] & ~right[1]), (first, right[1] & ~right[0])):
        rows = np.flatnonzero(images)
        chosen = rows[np.argsort(-wrong[rows].max(1), kind="stable")][:most]
        sides.append(
            [
                Disagreement(
                    int(image),
                    int(y_true[image]),
                    (
                        (int(read[0][image]), float(first[image].max())),
                        (int(read[1][image]), float(second[image].max())),
                    ),
                )
                for image in chosen
            ]
        )
    return sides[0], sides[1]
