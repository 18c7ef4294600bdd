from __future__ import annotations

import itertools

import numpy as np
import torch

from kaggle_mnist.utils.seeding import EPOCH, INITIAL_WEIGHTS, generator_for


def drawn(*key: int) -> int:
    return int(torch.randint(2**62, (1,), generator=generator_for(*key)))  # type: ignore[arg-type]


def test_every_key_has_a_stream_of_its_own() -> None:
    keys = list(itertools.product((0, 1), (INITIAL_WEIGHTS, EPOCH), range(5), range(5)))
    assert len({drawn(*key) for key in keys}) == len(keys)
    assert drawn(1, EPOCH, 2, 3) == drawn(1, EPOCH, 2, 3)


def test_repeat_0_has_the_streams_of_version_1() -> None:
    """There, the key had no repeat; NumPy reads a missing word as 0."""
    for seed, purpose, index in ((0, 0, 4), (2**31 - 1, 1, 99)):
        state = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)[0]
        assert generator_for(seed, purpose, index).initial_seed() == int(state)
