"""Ink is told from shadows, ruled lines and noise, whether it is dark or light."""

from __future__ import annotations

import numpy as np
import pytest

from kaggle_mnist.data.ink import NoInk, ink_of, ink_threshold, is_ruled, otsu

WIDEST = 0.12


def test_light_ink_stands_out_as_dark_ink_does() -> None:
    page = np.full((200, 200), 0.8, np.float32)
    page[60:140, 90:100] = 0.2
    for grey in (page, 1 - page):
        mask = (ink := ink_of(grey, WIDEST)) > ink_threshold(ink)
        assert mask[65:135, 92:98].all()
        assert mask.sum() < 1.3 * 80 * 10


@pytest.mark.parametrize("depth", [0.15, 0.3])
def test_ruled_lines_are_not_ink_if_there_is_darker_ink(depth: float) -> None:
    page = np.full((400, 300), 0.9, np.float32)
    page[10::20] -= depth
    page[11::20] -= depth
    page[100:200, 150:162] = 0.1
    ink = ink_of(page, WIDEST)
    mask = ink > ink_threshold(ink)
    assert mask[105:195, 152:160].all()
    assert mask[:, :140].sum() == mask[:, 170:].sum() == 0
    assert is_ruled(ink > 0.05)
    assert not is_ruled(mask)


def test_the_edge_of_a_shadow_is_not_ink() -> None:
    page = np.full((400, 400), 0.8, np.float32)
    page[:, 200:] = 0.5
    page[100:180, 100:110] = 0.2
    page[100:180, 300:310] = 0.12
    ink = ink_of(page, WIDEST)
    mask = ink > ink_threshold(ink)
    assert mask[105:175, 102:108].all() and mask[105:175, 302:308].all()
    assert not mask[200:].any()


def test_noise_is_not_ink() -> None:
    with pytest.raises(NoInk, match="no ink found"):
        ink_of(np.random.default_rng(0).normal(0.8, 0.03, (300, 300)).astype(np.float32), WIDEST)


def test_the_threshold_of_nearly_equal_values_is_between_them() -> None:
    low, high = np.float32(0.8), np.nextafter(np.float32(0.8), np.float32(1))
    assert float(low) < otsu(np.array([low, low, high, high])) < float(high)
