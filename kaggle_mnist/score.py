"""Scoring a cross-validation, and writing every file of its run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save as save_tensors

from kaggle_mnist.data import practice
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.runs.checkpoint import Checkpoint
from kaggle_mnist.runs.folder import finish_run, run_files
from kaggle_mnist.runs.record import Record, Scores
from kaggle_mnist.runs.run import Outputs, Run
from kaggle_mnist.training import metrics
from kaggle_mnist.training.cross_validation import CrossValidation
from kaggle_mnist.utils.errors import OutputError, one_line
from kaggle_mnist.utils.files import refuse_foreign, write_atomic

KAGGLE_WORKING = Path("/kaggle/working")  # where a Kaggle notebook's results are looked for


def refuse_foreign_copy(header: tuple[str, str]) -> None:
    """Raise OutputError if the copy for a Kaggle notebook would replace a file that does not begin with `header`."""
    if KAGGLE_WORKING.is_dir():
        refuse_foreign(KAGGLE_WORKING / "submission.csv", header=",".join(header).encode())


def open_withheld_labels(digits: Digits) -> NDArray[np.int64] | None:
    """Labels of the test images, int64 ``(m,)``: those that they came with, or the practice set's; None without any.

    Call this only to score a finished run, never to choose between recipes.
    """
    if digits.withheld is not None:
        return digits.withheld.open()
    return practice.open_withheld_labels() if practice.is_practice(digits) else None


def score_run(
    checkpoint: Checkpoint,
    digits: Digits,
    fold_of: NDArray[np.int64],
    result: CrossValidation,
    environment: dict[str, str | int],
    seconds: dict[str, float],
) -> Run:
    """Score the outputs and write every file of the run; the withheld labels are opened here, if at all.

    Parameters
    ----------
    checkpoint : of the run, with its plan
    digits : those of the plan
    fold_of : ``(repeats, n)``, the fold in which each labeled image was held out
    result : of the cross-validation
    environment, seconds : for `run.json`

    Raises OutputError if a file cannot be written.
    """
    plan, recipe, y_true = checkpoint.plan, checkpoint.plan.recipe, digits.train_labels
    oof, test = result.oof_outputs.mean(0), result.test_outputs.mean(1).mean(0)  # (n, 10), (m, 10)
    fold_test = result.test_outputs.mean(0).astype(np.float16)  # (k, m, 10)
    fold_table = metrics.fold_scores(result.oof_outputs, y_true, fold_of, recipe)
    labels = open_withheld_labels(digits) if plan.score else None
    place = digits.input and one_line(digits.input)  # not that of the plan, if they moved before the run was resumed
    resumed = checkpoint.resumed_from > 0 or checkpoint.seconds_before > 0
    record = Record(
        created=plan.created,
        name=recipe.name,
        recipe=recipe,
        folds=plan.folds,
        repeats=plan.repeats,
        seed=plan.seed,
        dropped=plan.dropped,
        resumed=resumed,
        data=plan.data.model_copy(update={"input": place}),
        scores=Scores(
            cv_accuracy=float(fold_table.accuracy.mean()),
            cv_accuracy_std=float(fold_table.accuracy.std()),
            cv_loss=float(fold_table.loss.mean()),
            oof_accuracy=metrics.accuracy(oof, y_true),
            oof_loss=metrics.loss(oof, y_true, recipe),
            oof_log_loss=metrics.loss(oof, y_true),
            ensemble_gain=metrics.estimate_gain(oof, y_true, fold_test, test),
            withheld_accuracy=None if labels is None else metrics.accuracy(test, labels),
        ),
        environment=environment,
        begun=plan.environment if resumed and plan.environment != environment else None,
        seconds=seconds,
    )
    tables = {"folds": fold_table, **metrics.oof_tables(oof, y_true), "history": result.history}
    files = run_files(record, Outputs(oof, test, y_true, digits.test_ids, fold_of, fold_test), tables)
    files["members.safetensors"] = save_tensors(result.members)
    finish_run(checkpoint.run, files)
    if KAGGLE_WORKING.is_dir():
        copy = KAGGLE_WORKING / "submission.csv"
        try:
            write_atomic(copy, files["submission.csv"])
        except OSError as error:
            raise OutputError(f"{copy}: cannot be written ({error.strerror}); {checkpoint.run} is complete") from error
    return Run(checkpoint.run, record)
