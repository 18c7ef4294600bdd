from __future__ import annotations

import itertools

import numpy as np
import torch

from kaggle_mnist.utils.seeding import EPOCH, INITIAL_WEIGHTS, generator_for


def draw(seed: int, purpose: int, index: int, repeat: int) -> int:
    return int(torch.randint(2**62, (1,), generator=generator_for(seed, purpose, index, repeat)))


def test_every_key_has_its_own_stream() -> None:
    keys = list(itertools.product((0, 1), (INITIAL_WEIGHTS, EPOCH), range(5), range(5)))
    assert len({draw(*key) for key in keys}) == len(keys)
    assert draw(1, EPOCH, 2, 3) == draw(1, EPOCH, 2, 3)


def test_repeat_0_has_the_streams_of_version_0_1() -> None:
    """The key had no repeat in that version; NumPy treats a missing word as 0."""
    for seed, purpose, index in ((0, 0, 4), (2**31 - 1, 1, 99)):
        state = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)[0]
        assert generator_for(seed, purpose, index).initial_seed() == int(state)
