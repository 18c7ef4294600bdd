"""Find training labels that look wrong, by confident learning (Northcutt et al., 2021) on the OOF outputs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kaggle_mnist.data import practice
from kaggle_mnist.data.contact_sheet import Caption, labeled_sheet
from kaggle_mnist.data.sources import labeled_places, load_same_digits, taken_by_default
from kaggle_mnist.data.suspects import HEADER, TABLES, is_edited, suspects_csv
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training import metrics
from kaggle_mnist.utils.errors import MissingPackage, OutputError
from kaggle_mnist.utils.files import refuse_foreign, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet

MAX_PICTURED = 200  # suspects on the contact sheet
FIRST = 100  # as many as a person may look through
OTHER_FOLDER = "name another folder with --to"


@dataclass(frozen=True)
class Confirmed:
    """Label errors that people confirmed among the labeled images, and how many of them are suspects."""

    labels: int
    among_first: int
    among_all: int


@dataclass(frozen=True)
class Audit:
    """The suspects, most suspect first, and the files that list them.

    Attributes
    ----------
    run : name of the run
    train_images : number of labeled images
    suspects : columns `image` (position among the labeled images, from 0), `label` (as given), `suggested` (the digit
        with the largest output), `self_confidence` (the given label's share of the outputs, from 0 to 1) and `place`
        (the image's file, or its row in `train.csv`)
    table : the CSV file; without suspects, it is not written
    picture : the contact sheet of the first `MAX_PICTURED` suspects; without any, it is not written
    confident : whether only labels that the outputs contradict with confidence are listed
    confirmed : on the practice set, how many known label errors are among the suspects
    input : what `train` needs as `input` to read these digits; None if it takes them by itself
    """

    run: str
    train_images: int
    suspects: pd.DataFrame
    table: Path
    picture: Path
    confident: bool
    confirmed: Confirmed | None
    input: str | None = None


def audit_run(
    run: str | Run | None = None,
    *,
    output: str | Path = "submissions",
    input: str | Path | None = None,
    to: Path | None = None,
    confident: bool = True,
    progress: Progress = quiet,
) -> Audit:
    """Find the labels that look wrong, and write `audit.csv` and `audit.png`, or `audit-all.csv` and `audit-all.png`.

    Without suspects, nothing is written.

    Parameters
    ----------
    run : a trained run or a blend: a `Run`, or as for `finding.find_paths`; the newest if None. Every image is judged
        by members that held it out.
    output : folder of the runs
    input : where the run's digits are, as for `load_digits`; None for where the run had them
    to : folder for the two files; the run's own if None
    confident : list only labels that the outputs contradict with confidence; if false, all that they contradict, in
        files of their own
    progress : called while the digits are loaded

    Raises
    ------
    MissingPackage
        cleanlab is not installed.
    DataNotFound
        The digits at `input` are not the run's.
    BadRun
        The run does not exist or is damaged.
    OutputError
        A file cannot be written, or would overwrite one that kaggle-mnist did not write or that was edited since.

    Examples
    --------
    >>> audit_run("latest").suspects.head()  # doctest: +SKIP
    """
    found = run if isinstance(run, Run) else find_run(run, Path(output))
    folder = to or found.path
    table = folder / (TABLES[0] if confident else TABLES[1])
    picture = table.with_suffix(".png")
    refuse_foreign(table, header=HEADER, advice=OTHER_FOLDER)
    refuse_foreign(picture, advice=OTHER_FOLDER)
    outputs, data = found.outputs(), found.record.data
    suspects = find_suspects(outputs.oof, outputs.y_true, confident=confident)
    digits = load_same_digits(data.fingerprint, input, recorded=data.input, progress=progress)
    places = labeled_places(digits, digits.input)
    suspects["place"] = [places[image] for image in suspects.image]
    confirmed = _count_confirmed(suspects) if data.practice else None
    needed = None if taken_by_default(digits.input) else digits.input
    audit = Audit(found.name, data.train_images, suspects, table, picture, confident, confirmed, needed)
    if suspects.empty:
        return audit
    content = suspects_csv(suspects)
    shown = suspects.head(MAX_PICTURED)
    captions = [Caption(f"{row.label}", f"{row.suggested}", f"{row.image}") for row in shown.itertuples(index=False)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_edited(table, content)
        comment = f"SHA-256 of {table.name}: {hashlib.sha256(content).hexdigest()}"
        write_atomic(table, content)
        write_atomic(picture, labeled_sheet(digits.train_images[shown.image.to_numpy()], captions, comment=comment))
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there ({error.strerror}); {OTHER_FOLDER}") from error
    return audit


def find_suspects(oof: NDArray[np.float32], y_true: NDArray[np.int64], *, confident: bool = True) -> pd.DataFrame:
    """Rank the labels that OOF outputs contradict, most suspect first.

    Confident learning (Northcutt et al., 2021) counts a label as contradicted if another digit's share is at least the
    average share of that digit on its own images, and prunes as many labels of each kind as it estimates to be wrong.

    Parameters
    ----------
    oof : sigmoid outputs, shape ``(n, 10)``, from 0 to 1, each by members that held the image out
    y_true : labels, shape ``(n,)``, 0 to 9
    confident : if false, every label that is not the digit with the largest output is a suspect

    Returns
    -------
    The columns of `Audit.suspects` except `place`.

    Raises
    ------
    MissingPackage
        cleanlab is not installed.

    Examples
    --------
    >>> y_true = np.arange(100) % 10
    >>> oof = (0.01 + 0.9 * np.eye(10)[y_true]).astype(np.float32)
    >>> y_true[3] = 8  # the outputs still say 3
    >>> suspects = find_suspects(oof, y_true, confident=False)
    >>> suspects[["image", "label", "suggested"]].to_numpy().tolist()
    [[3, 8, 3]]
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingPackage("audit needs cleanlab: pip install 'kaggle-mnist[audit]'") from error
    shares = metrics.shares_of(oof)
    # n_jobs=1: more processes save no time, and with the spawn method they would re-run the caller's script.
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


def _refuse_edited(table: Path, content: bytes) -> None:
    """Raise OutputError if writing `content` would undo what the user did to an earlier list."""
    if table.exists() and is_edited(table) and table.read_bytes() not in (b"", content):
        raise OutputError(f"{table}: may have been edited since audit wrote it; delete it, or {OTHER_FOLDER}")


def _count_confirmed(suspects: pd.DataFrame) -> Confirmed:
    known = suspects.image.isin(practice.confirmed_errors())
    return Confirmed(len(practice.confirmed_errors()), int(known.head(FIRST).sum()), int(known.sum()))
