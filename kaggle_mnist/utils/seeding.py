"""Independent random streams, one per key."""

from __future__ import annotations

import numpy as np
import torch

INITIAL_WEIGHTS, EPOCH = 0, 1  # purposes of a stream


def generator_for(
    seed: int, purpose: int, index: int, repeat: int = 0, *, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Create the random generator for a key.

    A repeat draws the same numbers whichever other repeats are trained with it, and in whichever process. NumPy's
    `SeedSequence` hashes the key to 64 bits. It treats a missing fourth word as 0, so repeat 0 has the streams that
    version 0.1 used for a run with one repeat.

    Parameters
    ----------
    seed : the run's seed, 0 or more
    purpose : `INITIAL_WEIGHTS` or `EPOCH`
    index : the fold for `INITIAL_WEIGHTS`, the epoch for `EPOCH`
    repeat : the repeat of cross-validation, from 0
    device : where the numbers are drawn; a CPU and a GPU draw different ones

    Examples
    --------
    >>> draw = [torch.rand(1, generator=generator_for(0, EPOCH, 3, repeat)).item() for repeat in (0, 0, 1)]
    >>> draw[0] == draw[1], draw[0] == draw[2]
    (True, False)
    """
    state = np.random.SeedSequence([seed, purpose, index, repeat]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state))
