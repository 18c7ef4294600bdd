from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.training.cross_validation import CrossValidation, EpochEnd, cross_validate
from kaggle_mnist.training.execution import Job, Local
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.repeats import cross_validate_by_repeats, read_repeat, write_repeat
from kaggle_mnist.utils.errors import Diverged
from tests.conftest import TINY

CPU = torch.device("cpu")
RECIPE = TINY.replaced(epochs=2, vary=({}, {"hidden": (24,)}))


def same(a: CrossValidation, b: CrossValidation) -> bool:
    pd.testing.assert_frame_equal(a.history, b.history)
    assert list(a.members) == list(b.members)
    assert all(torch.equal(a.members[name], b.members[name]) for name in a.members)
    return bool((a.oof_outputs == b.oof_outputs).all() and (a.test_outputs == b.test_outputs).all())


def test_repeats_one_by_one_give_the_bytes_of_all_together(few: Digits) -> None:
    digits = few.head(300, 30)
    folds = assign_folds(digits.train_labels, n_splits=3, repeats=3, seed=5)
    together = cross_validate(digits, RECIPE, folds, 5, dropped=(1, 7))
    parts: dict[int, CrossValidation] = {}
    events: list[EpochEnd] = []
    options: dict[str, Any] = {"dropped": (1, 7), "on_epoch": events.append, "on_repeat": parts.__setitem__}
    alone = cross_validate_by_repeats(Local(digits, CPU, 1), RECIPE, folds, 5, **options)
    assert same(alone, together)
    assert [(event.epoch, event.epochs) for event in events] == [(done, 6) for done in range(1, 7)]
    own = [(event.members[0].repeat, event.repeat_epoch) for event in events]
    assert own == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]

    events.clear()
    stored = {repeat: read_repeat(*write_repeat(parts[repeat])) for repeat in (0, 2)}
    rest = cross_validate_by_repeats(Local(digits, CPU, 1), RECIPE, folds, 5, done=stored, **options)
    assert same(rest, together)
    assert [event.epoch for event in events] == [5, 6]
    assert {member.repeat for event in events for member in event.members} == {1}


def test_the_events_of_a_single_repeat_are_of_all_members(few: Digits) -> None:
    digits = few.head(300, 30)
    folds, events = assign_folds(digits.train_labels, n_splits=3), list[EpochEnd]()
    cross_validate_by_repeats(Local(digits, CPU, 1), RECIPE, folds, 0, on_epoch=events.append)
    assert [(event.epoch, event.repeat_epoch) for event in events] == [(1, None), (2, None)]


def test_a_repeat_that_diverges_ends_the_cross_validation(few: Digits) -> None:
    folds = assign_folds(few.train_labels, n_splits=3)
    with pytest.raises(Diverged):
        cross_validate_by_repeats(Local(few, CPU, 1), TINY.replaced(learning_rate=1e30), folds, 0)


def test_a_job_that_is_stopped_has_neither_value_nor_error(few: Digits) -> None:
    digits = few.head(300, 30)
    arguments = {"recipe": TINY, "folds": assign_folds(digits.train_labels, n_splits=3)}
    job = Job("one", cross_validate, arguments)
    seen: list[int] = []

    def go_on(job: Job, event: EpochEnd) -> bool:
        seen.append(event.epoch)
        return event.epoch < 2

    [outcome] = Local(digits, CPU, 1).run(iter([job]), go_on)
    assert (outcome.value, outcome.error, seen) == (None, None, [1, 2])


def test_jobs_get_their_number_of_threads(few: Digits) -> None:
    before = torch.get_num_threads()
    [outcome] = Local(few, CPU, 2).run(iter([Job("threads", threads)]), lambda job, event: True)
    assert (outcome.value, torch.get_num_threads()) == (2, before)


def threads(digits: Digits, **options: Any) -> int:
    return torch.get_num_threads()


def test_there_are_test_outputs_of_every_member(few: Digits) -> None:
    digits = few.head(300, 30)
    folds = assign_folds(digits.train_labels, n_splits=3, repeats=2)
    found = cross_validate(digits, TINY.replaced(epochs=1), folds)
    assert found.test_outputs.shape == (2, 3, 30, 10)
    assert len({outputs.tobytes() for outputs in found.test_outputs.reshape(6, -1)}) == 6
    assert np.allclose(found.test_outputs.sum(-1), 1, atol=1e-5)
