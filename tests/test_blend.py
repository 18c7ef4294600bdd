from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from sklearn.metrics import log_loss
from typer.testing import CliRunner

from kaggle_mnist import pipeline
from kaggle_mnist.blend import averaged, blend_runs, fit_weights, nested_fit
from kaggle_mnist.cli import app
from kaggle_mnist.compare import compare_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.errors import BadOption, BadRun
from kaggle_mnist.runs import find_run, list_runs
from kaggle_mnist.scores import shares_of
from kaggle_mnist.submission import check_submission


def names_of(submissions: Path) -> list[str]:
    return [path.name for path in list_runs(submissions)]  # c and a of seed 0, b of seed 1


def test_a_blend_is_a_run_like_any_other_and_names_its_parents(submissions: Path) -> None:
    a, _, b = names_of(submissions)
    run = blend_runs([a, b], submissions)
    assert find_run("latest", submissions).path == run.path
    assert [parent.run for parent in run.record.parents] == [a, b]
    outputs, parents = run.outputs(), [find_run(name, submissions).outputs() for name in (a, b)]
    assert np.allclose(outputs.test, (parents[0].test + parents[1].test) / 2, atol=1e-7)
    assert np.allclose(outputs.oof, (parents[0].oof + parents[1].oof) / 2, atol=1e-7)
    assert check_submission(run.submission, 300).errors == []
    assert len(run.table("folds")) == 3
    rows = compare_runs([], submissions).rows
    assert next(row for row in rows if row.recipe == "blend").run == run.name


def test_fitted_weights_minimize_the_log_loss(submissions: Path) -> None:
    found = [find_run(name, submissions).outputs() for name in names_of(submissions)]
    oof, y = np.stack([out.oof for out in found]), found[0].y_true
    weights = fit_weights(oof, y)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0

    def loss(weights: np.ndarray) -> float:
        return log_loss(y, shares_of(averaged(oof, weights)))

    for other in np.eye(3):
        assert loss(weights) <= loss(0.98 * weights + 0.02 * other) + 1e-6


def test_a_fold_is_never_averaged_with_weights_that_saw_its_labels(submissions: Path) -> None:
    found = [find_run(name, submissions).outputs() for name in names_of(submissions)]
    oof, y, fold_of = np.stack([out.oof for out in found]), found[0].y_true, found[0].fold_of[0]
    blended, _ = nested_fit(oof, y, fold_of)
    mislabeled = np.where(fold_of == 1, (y + 1) % 10, y)
    other, _ = nested_fit(oof, mislabeled, fold_of)
    assert np.array_equal(blended[fold_of == 1], other[fold_of == 1])
    assert not np.array_equal(blended[fold_of != 1], other[fold_of != 1])


def test_the_command_shows_weights_and_scores(submissions: Path) -> None:
    done = CliRunner().invoke(app, ["blend", *names_of(submissions), "--weights", "fit"])
    assert done.exit_code == 0, done.output
    assert "weights nested in the folds" in done.output
    assert "submission.csv" in done.output


def test_runs_that_cannot_be_averaged_are_refused(submissions: Path, few: Digits) -> None:
    a, _, b = names_of(submissions)
    with pytest.raises(BadRun, match="two different runs or more"):
        blend_runs([a], submissions)
    with pytest.raises(BadRun, match="two different runs or more"):
        blend_runs([a, b, str(submissions / a)], submissions)
    with pytest.raises(BadOption, match="must be equal or fit"):
        blend_runs([a, b], submissions, weights="best")
    for changed, message in (
        (replace(few, test_images=few.test_images[::-1].copy()), "has other test images"),
        (replace(few, train_labels=(few.train_labels + 1) % 10), "has other labeled images"),
    ):
        other = pipeline.train(TINY.replaced(epochs=1), input=changed, folds=3)
        with pytest.raises(BadRun, match=message):
            blend_runs([a, other.name], submissions)
    with pytest.raises(BadRun, match="predicts through parents that lie beside it"):
        blend_runs([str(submissions / a), str(submissions / b)], Path("elsewhere"))
    assert not Path("elsewhere").exists()
    assert not [name for name in names_of(submissions) if "blend" in name]
