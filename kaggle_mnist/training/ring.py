"""The ring: batches in which each member's training images are a view.

Every step draws equally many images from each fold. Laid out in a ring,

    fold 1 | fold 2 | … | fold k-1 | fold 0 | fold 1 | … | fold k-2

the images that member m may be trained on, all but those of fold m, are k-1 neighbours: a window into the ring, with no
copy per member. The windows are the operands of batched matrix products. No arithmetic is spent on a held-out image,
and none can reach its member.

pytabkit, too, trains the models of all folds at once, but feeds each of them batches of its own; TabM trains members
that share most weights on the same batch. Here members share nothing but the images they both may see.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def shuffle_within_folds(folds: Tensor, generator: torch.Generator) -> Tensor:
    """Image numbers ``(k, smallest)``: those of each fold in random order, as many as the smallest fold has.

    `folds` is ``(n,)``: the fold of each image, from 0 to k - 1.
    """
    noise = torch.rand(folds.shape, generator=generator, device=folds.device, dtype=torch.float64)
    order = (folds + noise).argsort()  # by fold, and at random inside a fold
    sizes = F.one_hot(folds).sum(0)  # (k,)
    starts = sizes.cumsum(0) - sizes
    picked = starts[:, None] + torch.arange(int(sizes.min()), device=folds.device)  # (k, smallest)
    return order[picked]


def leave_own_fold_out(groups: Tensor) -> Tensor:
    """Each member's training batch: ``(k, b, …)``, b images of each fold, to ``(k, (k - 1) * b, …)``.

    Member m gets the groups ``m + 1, …, m + k - 1``, modulo k, as a view of the ring.

    >>> leave_own_fold_out(torch.tensor([[10], [11], [12]])).tolist()
    [[11, 12], [12, 10], [10, 11]]
    """
    k = len(groups)
    ring = torch.cat([groups[1:], groups[:-1]])  # (2k - 2, b, …)
    windows = ring.unfold(0, k - 1, 1).movedim(-1, 1)  # (k, k - 1, b, …)
    return windows.flatten(1, 2)
