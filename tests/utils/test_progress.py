from __future__ import annotations

from kaggle_mnist.utils.progress import Counter


def test_a_counter_tells_where_it_begins_and_every_step() -> None:
    told: list[tuple[str, int, int]] = []
    counter = Counter("Predicting", 3, lambda stage, done, total, unit="": told.append((stage, done, total)))
    counter()
    counter()
    assert told == [("Predicting", 0, 3), ("Predicting", 1, 3), ("Predicting", 2, 3)]
