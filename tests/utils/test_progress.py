from __future__ import annotations

from kaggle_mnist.utils.progress import Counter


def test_a_counter_reports_its_start_and_every_step() -> None:
    reported: list[tuple[str, int, int]] = []
    counter = Counter("Predicting", 3, lambda stage, done, total, unit="": reported.append((stage, done, total)))
    counter()
    counter()
    assert reported == [("Predicting", 0, 3), ("Predicting", 1, 3), ("Predicting", 2, 3)]
