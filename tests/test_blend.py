"""Averaging runs, with equal and with fitted weights."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import log_loss

from kaggle_mnist import pipeline
from kaggle_mnist.blend import Gain, blend_runs, gain_of
from kaggle_mnist.compare import compare_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import open_withheld_labels
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.runs.run import Outputs
from kaggle_mnist.runs.submission import check_submission
from kaggle_mnist.training.metrics import loss, shares_of
from kaggle_mnist.utils.errors import BadOption, BadRun, DataNotFound
from kaggle_mnist.weighting import STEPS, averaged, fit_weights, nested_fit, select_weights
from tests.conftest import TINY, reseal, write_folders


def names_of(submissions: Path) -> list[str]:
    return [path.name for path in list_runs(submissions)]  # c and a of seed 0, b of seed 1


def test_a_blend_is_a_run_that_names_its_parents(submissions: Path) -> None:
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


def test_a_blend_is_scored_on_the_labels_of_its_test_images_where_they_are_found(few: Digits) -> None:
    labels = open_withheld_labels()[:300]
    write_folders(replace(few, test_images=few.test_images[:0]), Path("digits"))
    for number, (image, label) in enumerate(zip(few.test_images, labels, strict=True), start=1):
        Path(f"digits/test/{label}").mkdir(exist_ok=True)
        Image.fromarray(image).save(f"digits/test/{label}/{number}.png")
    names = [pipeline.train(TINY.replaced(epochs=1), input="digits", folds=3, seed=seed).name for seed in (0, 1)]
    run = blend_runs(names)
    assert run.withheld_accuracy == (run.outputs().test.argmax(1) == labels).mean()
    Path("digits").rename("moved")
    assert blend_runs(names).withheld_accuracy is None
    assert blend_runs(names, input="moved", score=False).withheld_accuracy is None
    assert blend_runs(names, input="moved").withheld_accuracy == run.withheld_accuracy
    Path("moved").rename("input")
    assert blend_runs(names).withheld_accuracy == run.withheld_accuracy
    with pytest.raises(DataNotFound, match="not the digits of that run"):
        blend_runs(names, input="practice")


def test_fitted_weights_minimize_the_log_loss(submissions: Path) -> None:
    found = [find_run(name, submissions).outputs() for name in names_of(submissions)]
    oof, y = np.stack([out.oof for out in found]), found[0].y_true
    weights = fit_weights(oof, y)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0

    def loss_of(weights: np.ndarray) -> float:
        return float(log_loss(y, shares_of(averaged(oof, weights))))

    for other in np.eye(3):
        assert loss_of(weights) <= loss_of(0.98 * weights + 0.02 * other) + 1e-6


@pytest.fixture(scope="module")
def unlike(few: Digits, tmp_path_factory: pytest.TempPathFactory) -> list[Outputs]:
    """Runs whose outputs have different sums: softmax outputs (1) and sigmoid outputs, as from recipe `article`."""
    output = tmp_path_factory.mktemp("unlike")
    sigmoid = TINY.replaced(loss="squared_error", epochs=12, batch_size=50)
    recipes = (TINY, sigmoid.replaced(shift=0.0, elastic=0.0), sigmoid.replaced(targets=(0.01, 0.99)))
    return [pipeline.train(recipe, input=few, output=output, folds=3).outputs() for recipe in recipes]


@pytest.mark.parametrize("chosen", [(0, 1), (1, 2), (0, 1, 2)])
def test_fitted_weights_are_optimal_even_if_outputs_do_not_sum_to_1(
    chosen: tuple[int, ...], unlike: list[Outputs]
) -> None:
    oof, y = np.stack([unlike[i].oof for i in chosen]), unlike[0].y_true
    steps = 400 if len(chosen) == 2 else 40
    grid = [np.array(w) / steps for w in itertools.product(range(steps + 1), repeat=len(chosen)) if sum(w) == steps]
    least = min(loss(averaged(oof, weights), y) for weights in grid)
    found = loss(averaged(oof, fit_weights(oof, y)), y)
    assert found <= least + 1e-9
    assert found == pytest.approx(least, abs=1e-3)
    of_truth = np.stack([shares_of(out)[np.arange(len(y)), y] for out in oof])  # what the mean of shares would fit
    other = min(grid, key=lambda weights: -np.log(weights @ of_truth).mean())
    assert loss(averaged(oof, other), y) > found + 1e-4


@pytest.mark.parametrize("seed", [11, 14, 39, 53, 60])
def test_the_best_of_several_minima_is_found(seed: int) -> None:
    """Sums of outputs that differ by orders of magnitude; from equal weights, the search ends elsewhere."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, 6)
    oof = (10 ** rng.uniform(-4, 0, (2, 6, 1)) * rng.random((2, 6, 10))).astype(np.float32)
    losses = [loss(averaged(oof, np.array([weight, 1 - weight])), y) for weight in np.linspace(0, 1, 501)]
    inner, ends = np.array(losses[1:-1]), (losses[0] < losses[1], losses[-1] < losses[-2])
    assert ((inner < losses[:-2]) & (inner < losses[2:])).sum() + sum(ends) > 1
    assert loss(averaged(oof, fit_weights(oof, y)), y) <= min(losses) + 1e-9


def test_weights_of_softmax_outputs_minimize_the_log_loss_of_the_mean_of_probabilities(submissions: Path) -> None:
    a, c, b = (find_run(name, submissions).outputs() for name in names_of(submissions))
    for first, second in ((a, b), (a, c)):
        weights = fit_weights(np.stack([first.oof, second.oof]), a.y_true)
        of_truth = np.stack([shares_of(out.oof)[np.arange(len(a.y_true)), a.y_true] for out in (first, second)])
        grid = np.linspace(0, 1, 20_001)
        best = grid[(-np.log(np.stack([grid, 1 - grid], 1) @ of_truth)).mean(1).argmin()]
        assert weights == pytest.approx([best, 1 - best], abs=1e-4)


@pytest.mark.parametrize("choose", [fit_weights, partial(select_weights, most=2)])
def test_a_fold_is_never_averaged_with_weights_that_saw_its_labels(
    choose: Callable[..., NDArray[np.float64]], submissions: Path
) -> None:
    found = [find_run(name, submissions).outputs() for name in names_of(submissions)]
    oof, y, fold_of = np.stack([out.oof for out in found]), found[0].y_true, found[0].fold_of[0]
    blended, _ = nested_fit(oof, y, fold_of, choose)
    mislabeled = np.where(fold_of == 1, (y + 1) % 10, y)
    other, _ = nested_fit(oof, mislabeled, fold_of, choose)
    assert np.array_equal(blended[fold_of == 1], other[fold_of == 1])
    assert not np.array_equal(blended[fold_of != 1], other[fold_of != 1])


def make_useless(run: Path) -> None:
    """Replace a run's OOF outputs by ones that are wrong about every image."""
    with np.load(run / "outputs.npz") as stored:
        arrays = dict(stored)
    wrong = np.eye(10, dtype=np.float32)[(arrays["y_true"] + 1) % 10]
    np.savez(run / "outputs.npz", **{**arrays, "oof_outputs": wrong})
    reseal(run)


def test_a_blend_with_all_weight_on_one_run_gained_nothing(submissions: Path) -> None:
    a, _, c = names_of(submissions)
    make_useless(submissions / c)
    blend = blend_runs([a, c], submissions, weights="fit")
    assert [parent.weight for parent in blend.record.parents] == [1, 0]
    gain = gain_of(blend)
    assert gain.verdict == f"none: all weight is on {a}, and the blend is no better than that run"
    assert gain.more_right == 0
    assert gain.lower_loss == pytest.approx(0, abs=1e-7)


def test_the_gain_of_a_blend_is_over_its_best_parents(submissions: Path) -> None:
    a, b, c = names_of(submissions)
    blend = blend_runs([a, b, c], submissions)
    outputs = [find_run(name, submissions).outputs() for name in (a, b)]
    right = [int((out.oof.argmax(1) == out.y_true).sum()) for out in (blend.outputs(), *outputs)]
    losses = [loss(out.oof, out.y_true) for out in (blend.outputs(), *outputs)]
    gain = gain_of(blend)
    assert {gain.accurate, gain.likely} <= {a, b}
    assert gain.more_right == right[0] - max(right[1:])
    assert gain.lower_loss == pytest.approx(min(losses[1:]) - losses[0])
    assert gain.alone is None


@pytest.mark.parametrize(
    ("more_right", "lower_loss", "verdict"),
    [
        (1, 0.0012, "1 more image right, log loss 0.0012 lower"),
        (0, 0.0012, "as many images right, log loss 0.0012 lower"),
        (-2, 0.0012, "mixed: 2 fewer images right, log loss 0.0012 lower"),
        (2, -0.0012, "mixed: 2 more images right, log loss 0.0012 higher"),
        (0, 0.00004, "none, the blend is no better than its best parent: as many images right, log loss the same"),
        (-1, -0.1, "none, the blend is no better than its best parent: 1 fewer image right, log loss 0.1000 higher"),
    ],
)
def test_a_blend_is_called_better_only_where_it_is(more_right: int, lower_loss: float, verdict: str) -> None:
    assert Gain("a", "b", 0.9, 0.3, more_right, lower_loss, alone=None).verdict == verdict


def test_each_step_of_a_selection_takes_the_run_that_lowers_the_log_loss_most() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 400)
    oof = rng.dirichlet(np.ones(10), (6, 400)).astype(np.float32)  # (runs, n, 10)
    oof[:4, np.arange(400), y] += rng.uniform(0, 1, (4, 400))
    oof /= oof.sum(2, keepdims=True)
    selected: list[int] = []
    path = []
    for _ in range(STEPS):
        allowed = [run for run in range(6) if run in selected or len(set(selected)) < 3]
        losses = {run: loss(averaged(oof, shares([*selected, run])), y) for run in allowed}
        selected.append(min(losses, key=lambda run: losses[run]))
        path.append((min(losses.values()), shares(selected)))
    weights = select_weights(oof, y, most=3)
    assert weights == pytest.approx(min(path, key=lambda step: step[0])[1])
    assert (weights > 0).sum() == 3
    assert len(set(weights[weights > 0])) > 1  # some came again


def shares(selected: list[int]) -> NDArray[np.float64]:
    return np.bincount(selected, minlength=6) / len(selected)


def test_the_best_of_all_runs_on_the_same_digits_are_selected(submissions: Path, few: Digits) -> None:
    a, b, c = names_of(submissions)
    make_useless(submissions / c)
    blend_runs([a, b], submissions)
    other = pipeline.train(TINY.replaced(epochs=1), input=few.head(1500, 200), folds=3)
    other.path.rename(submissions / "other")
    reseal_as_older(submissions / "other")
    shutil.copytree(submissions / a, submissions / "damaged")
    (submissions / "damaged" / "outputs.npz").write_bytes(b"")
    skipped: list[str] = []
    run = blend_runs([], submissions, top=2, on_skipped=skipped.append)
    assert {parent.run: parent.weight > 0 for parent in run.record.parents} == {b: True, a: True}
    assert sum(parent.weight for parent in run.record.parents) == pytest.approx(1)
    assert run.record.weights == "top 2"
    assert [reason.split(" ")[0] for reason in skipped] == ["submissions/damaged/outputs.npz:", "other:"]
    assert f"other: has different test images than {c}" in skipped
    found = [find_run(parent.run, submissions).outputs() for parent in run.record.parents]
    weights = np.array([parent.weight for parent in run.record.parents])
    assert np.allclose(run.outputs().test, averaged(np.stack([out.test for out in found]), weights))
    assert not np.allclose(run.outputs().oof, averaged(np.stack([out.oof for out in found]), weights), atol=1e-4)
    for options, message in (({"top": 1}, "at least 2"), ({"top": 2, "weights": "fit"}, "leave one of them out")):
        with pytest.raises(BadOption, match=message):
            blend_runs([], submissions, **options)
    with pytest.raises(BadRun, match="fewer than two runs on the same digits to choose from; train another"):
        blend_runs([a, "other"], submissions, top=2)
    (submissions / b / "outputs.npz").unlink()
    with pytest.raises(BadRun, match="is missing"):
        blend_runs([a, b], submissions, top=2)


def reseal_as_older(run: Path) -> None:
    """Make a run the oldest in its folder."""
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "created": "2020-01-01T00:00:00+00:00"}))
    reseal(run)


def test_a_selection_of_a_single_run_is_no_blend(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaggle_mnist.blend.select_weights", lambda oof, y_true, most: np.eye(len(oof))[0])
    before = list_runs(submissions)
    with pytest.raises(BadRun, match=rf"{before[-1].name}: no blend is better than this run alone"):
        blend_runs([], submissions, top=2)
    assert list_runs(submissions) == before


def test_runs_that_cannot_be_averaged_are_refused(submissions: Path, few: Digits) -> None:
    a, _, b = names_of(submissions)
    with pytest.raises(BadRun, match="two or more different runs"):
        blend_runs([a], submissions)
    with pytest.raises(BadRun, match="two or more different runs"):
        blend_runs([a, str(submissions / a)], submissions)
    with pytest.raises(BadOption, match="must be equal or fit"):
        blend_runs([a, b], submissions, weights="best")
    for changed, message in (
        (replace(few, test_images=few.test_images[::-1].copy()), "has different test images"),
        (replace(few, train_labels=(few.train_labels + 1) % 10), "has different labeled images"),
    ):
        other = pipeline.train(TINY.replaced(epochs=1), input=changed, folds=3)
        with pytest.raises(BadRun, match=message):
            blend_runs([a, other.name], submissions)
    with pytest.raises(BadRun, match="a blend needs its parents in the same folder"):
        blend_runs([str(submissions / a), str(submissions / b)], Path("elsewhere"))
    assert not Path("elsewhere").exists()
    assert not [name for name in names_of(submissions) if "blend" in name]
