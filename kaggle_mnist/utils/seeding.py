"""Random streams, each with a key of its own."""

from __future__ import annotations

import numpy as np
import torch

INITIAL_WEIGHTS, EPOCH = 0, 1  # what a stream is for


def generator_for(
    seed: int, purpose: int, index: int, repeat: int = 0, *, device: torch.device | str = "cpu"
) -> torch.Generator:
    """The random stream for a seed, purpose, index (the fold, or the epoch) and repeat.

    A repeat draws the same numbers whichever other repeats are trained with it, in whichever process. NumPy's
    `SeedSequence` mixes the key into 64 bits; it reads a missing fourth word as 0, so repeat 0 has the streams that
    version 0.1 gave a run with one repeat.

    >>> draw = [torch.rand(1, generator=generator_for(0, EPOCH, 3, repeat)).item() for repeat in (0, 0, 1)]
    >>> draw[0] == draw[1], draw[0] == draw[2]
    (True, False)
    """
    state = np.random.SeedSequence([seed, purpose, index, repeat]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state))
