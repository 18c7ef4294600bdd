"""The training labels that look wrong: confident learning (Northcutt et al., 2021) on the out-of-fold outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.data import practice
from kaggle_mnist.data.contact_sheet import Caption, labelled_sheet
from kaggle_mnist.data.sources import labeled_places, load_same_digits
from kaggle_mnist.data.suspects import HEADER, suspects_csv
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training import metrics
from kaggle_mnist.utils.errors import MissingPackage, OutputError
from kaggle_mnist.utils.files import refuse_foreign, write_whole
from kaggle_mnist.utils.progress import Progress, quiet

PICTURED = 200  # suspects on the contact sheet
FIRST = 100  # how many a person looks through
ELSEWHERE = "name another folder with --to"


@dataclass(frozen=True)
class Confirmed:
    """The labels among the labeled images that people have found wrong, and how many of them are suspects."""

    labels: int
    among_first: int
    among_all: int


@dataclass(frozen=True)
class Audit:
    """The suspects, the most suspect first, and where they were written.

    Attributes
    ----------
    suspects : columns `image` (position among the labeled images, from 0), `label` (as given), `suggested` (the digit
        of the largest output), `self_confidence` (the share of the given label in the outputs, from 0 to 1) and
        `place` (the image's file, or its row in `train.csv`)
    table, picture : the CSV file, and the contact sheet of the first `PICTURED` suspects
    confident : whether these are only the labels that the outputs contradict with confidence
    confirmed : on the practice set, how many of the labels that people have found wrong are among the suspects
    """

    suspects: pd.DataFrame
    table: Path
    picture: Path
    confident: bool
    confirmed: Confirmed | None


def audit_run(
    run: Run,
    *,
    input: str | Path | None = None,
    to: Path | None = None,
    confident: bool = True,
    progress: Progress = quiet,
) -> Audit:
    """Find the labels that look wrong, and write `audit.csv` and `audit.png` into the run's folder, or into `to`.

    Parameters
    ----------
    run : trained or blended; every image is judged by members that held it out
    input : where the run's digits are, as `load_digits` takes it
    confident : only the labels that the outputs contradict with confidence; else all that they contradict

    Raises
    ------
    MissingPackage
        cleanlab is not installed.
    DataNotFound, BadRun, OutputError
        The digits are others, the run is damaged, or the files cannot be written or would replace some that are not
        ours.
    """
    folder = to or run.path
    table, picture = folder / "audit.csv", folder / "audit.png"
    refuse_foreign(table, header=HEADER, advice=ELSEWHERE)
    refuse_foreign(picture, advice=ELSEWHERE)
    outputs = run.outputs()
    suspects = find_suspects(outputs.oof, outputs.y_true, confident=confident)
    digits = load_same_digits(run.record.data.fingerprint, input, progress=progress)
    places = labeled_places(digits, input)
    suspects["place"] = [places[image] for image in suspects.image]
    shown = suspects.head(PICTURED)
    captions = [Caption(f"{row.label}", f"{row.suggested}", f"{row.image}") for row in shown.itertuples(index=False)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(table, suspects_csv(suspects))
        write_whole(picture, labelled_sheet(digits.train_images[shown.image.to_numpy()], captions))
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there ({error.strerror}); {ELSEWHERE}") from error
    return Audit(suspects, table, picture, confident, _confirmed(suspects) if run.record.data.practice else None)


def find_suspects(oof: NDArray[np.float32], y_true: NDArray[np.int64], *, confident: bool = True) -> pd.DataFrame:
    """The suspects among labels ``(n,)``, the most suspect first, by OOF outputs ``(n, 10)``: all columns but `place`.

    Confident learning counts a label as contradicted where the share of another digit is at least what that digit's own
    images have on average, and takes as many of each kind as it estimates there to be. Without `confident`, every label
    is a suspect that is not the digit of the largest output.

    Raises MissingPackage where cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingPackage("audit needs cleanlab; `pip install 'kaggle-mnist[audit]'` brings it") from error
    shares = metrics.shares_of(oof)
    # One process: a second one would save no time, and where processes are spawned it would run the caller's script.
    found = find_label_issues(
        y_true,
        shares,
        filter_by="prune_by_noise_rate" if confident else "predicted_neq_given",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    image = np.asarray(found, np.int64)
    return pd.DataFrame(
        {
            "image": image,
            "label": y_true[image],
            "suggested": shares[image].argmax(1),
            "self_confidence": shares[image, y_true[image]],
        }
    )


def _confirmed(suspects: pd.DataFrame) -> Confirmed:
    known = suspects.image.isin(practice.confirmed_errors())
    return Confirmed(len(practice.confirmed_errors()), int(known.head(FIRST).sum()), int(known.sum()))
