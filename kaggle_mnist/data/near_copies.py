"""Labeled images that are nearly the same as others, such as a shifted copy or one that was saved as a JPG again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import SIDE
from kaggle_mnist.utils.progress import Progress, quiet

# Distance of two images, each shifted to the middle and scaled to length 1. The nearest two of the practice set's
# 42,000 are 0.12 apart; a copy saved as a JPG of quality 75 is 0.06 from its original in the median, and below 0.1 in
# 99 of 100 cases.
NEAR = 0.1
AXES = 12  # principal components in which candidates are looked for
SHIFT = 6  # pixels, at most
CHUNK = 4096


def near_copies(
    images: NDArray[np.uint8], first_same: NDArray[np.int64], *, progress: Progress = quiet
) -> NDArray[np.int64]:
    """Find images that are nearly, but not exactly, the same as an earlier one.

    Parameters
    ----------
    images : uint8, shape ``(n, 28, 28)``
    first_same : `Digits.first_same`, shape ``(n,)``
    progress : called with the number of images compared

    Returns
    -------
    Shape ``(pairs, 2)``: the number of each such image, and that of the earliest image that it is nearly the same as.

    Examples
    --------
    >>> from kaggle_mnist.data.practice import load_practice
    >>> images = load_practice().train_images[:200].copy()
    >>> images[7] = np.roll(images[3], 1, axis=1)  # one pixel to the right
    >>> near_copies(images, np.arange(200)).tolist()
    [[7, 3]]
    """
    from scipy.spatial import cKDTree

    images = images - images.min((1, 2), keepdims=True)  # without the background, which a set on grey paper has
    distinct = np.flatnonzero((first_same == np.arange(len(images))) & (images.reshape(len(images), -1).max(1) > 0))
    vectors = _centred(images[distinct]).reshape(-1, SIDE * SIDE).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    deviations = vectors - vectors.mean(0)
    _, axes = np.linalg.eigh(deviations.T @ deviations)
    projected = deviations @ axes[:, -AXES:]  # distances can only shrink
    tree, found = cKDTree(projected), []
    for start in range(0, len(distinct), CHUNK):
        progress("Comparing images", start, len(distinct))
        rows = range(start, min(start + CHUNK, len(distinct)))
        for row, near in zip(rows, tree.query_ball_point(projected[start : rows.stop], NEAR), strict=True):
            earlier = np.array(sorted(other for other in near if other < row), np.int64)
            is_near = np.linalg.norm(vectors[earlier] - vectors[row], axis=1) < NEAR
            if is_near.any():
                found.append((distinct[row], distinct[earlier[is_near.argmax()]]))
    progress("Comparing images", len(distinct), len(distinct))
    return np.array(found, np.int64).reshape(-1, 2)


def _centred(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each image shifted by whole pixels so that its centre of mass is nearest to the middle."""
    shifts = np.clip(np.rint(_offsets(images)), -SHIFT, SHIFT).astype(int)  # (n, 2), down and right
    framed = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    centred = np.empty_like(images)
    for down, right in np.unique(shifts, axis=0):
        rows = (shifts == (down, right)).all(1)
        window = (slice(SHIFT + down, SHIFT + down + SIDE), slice(SHIFT + right, SHIFT + right + SIDE))
        centred[rows] = framed[(rows, *window)]
    return centred


def _offsets(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Centres of mass, ``(n, 2)``, in pixels down and right of the middle; each image has ink."""
    place = np.arange(SIDE) - (SIDE - 1) / 2
    down, right = images.sum(2) @ place, images.sum(1) @ place
    offsets: NDArray[np.float64] = np.stack([down, right], 1) / images.sum((1, 2))[:, None]
    return offsets
