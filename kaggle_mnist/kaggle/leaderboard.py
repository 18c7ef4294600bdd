"""Download a competition's files, submit a run, and compare its public score with the forecast."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kaggle_mnist.data.csv_files import TEST, TRAIN, csv_sets
from kaggle_mnist.data.digits import SUBMISSION
from kaggle_mnist.data.places import walk, zip_place
from kaggle_mnist.data.sources import COMPETITION_FILE
from kaggle_mnist.forecast import predict_score
from kaggle_mnist.kaggle.competition import COMPLETE, DIGIT_RECOGNIZER, PENDING, Competition, competition_name
from kaggle_mnist.runs.finding import find_run, other_runs
from kaggle_mnist.runs.record import Prediction, Submitted
from kaggle_mnist.runs.run import LEADERBOARD, Run, ScoredRun, as_argument
from kaggle_mnist.runs.submission import check_submission
from kaggle_mnist.utils.errors import BadRun, KaggleRefused, OutputError
from kaggle_mnist.utils.files import sha256_of, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet

FIRST_PAUSE, LAST_PAUSE = 2.0, 20.0  # seconds between requests for a score, which takes Kaggle some seconds


@dataclass(frozen=True)
class Uploaded:
    """An uploaded run.

    Attributes
    ----------
    run : the run
    submitted : the submission as Kaggle knows it
    left : how many more submissions Kaggle accepts today; None if it does not say
    """

    run: Run
    submitted: Submitted
    left: int | None


def download(folder: str | Path = "input", *, competition: str = DIGIT_RECOGNIZER, progress: Progress = quiet) -> Path:
    """Download the competition's files as one zip, which `load_digits` reads directly.

    Parameters
    ----------
    folder : where to put the zip; must be empty except for a README.md
    competition : its name or address
    progress : called with the megabytes received

    Returns
    -------
    The path of the zip.

    Raises
    ------
    OutputError
        The folder is not empty or cannot be written to.
    KaggleRefused
        Kaggle does not provide the files, or they are not `train.csv` and `test.csv`; the message says what to do.
    BadData
        The download is not a readable zip.

    Examples
    --------
    >>> download()  # doctest: +SKIP
    PosixPath('input/digit-recognizer.zip')
    """
    folder = Path(folder)
    try:
        present = sorted(path.name for path in folder.glob("[!.]*") if path.name != "README.md")
        if present:
            more = f" and {len(present) - 1} more" if len(present) > 1 else ""
            raise OutputError(f"{folder}: already contains {present[0]}{more}; empty it, or name another with --input")
        source = Competition(competition)
        competition = source.name
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-", ignore_cleanup_errors=True) as parent:
            archive = source.fetch(Path(parent), progress)
            sets = [found for place in walk(zip_place(archive)) for found in csv_sets(place)]
            missing = [role for role in (TRAIN, TEST) if not any(role in found.files for found in sets)]
            if missing:
                raise KaggleRefused(f"{competition}: its files do not include {missing[0]}; not a digit competition")
            if competition != DIGIT_RECOGNIZER:  # the default of `upload`
                write_atomic(folder / COMPETITION_FILE, f"{competition}\n".encode())
            target = folder / f"{competition}.zip"
            return archive.replace(target)
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there ({error.strerror})") from error


def upload(
    run: str | None = None,
    output: str | Path = "submissions",
    *,
    competition: str | None = None,
    message: str | None = None,
    wait: float | None = None,
    again: bool = False,
    progress: Progress = quiet,
) -> Uploaded:
    """Submit a run's `submission.csv` to Kaggle, and store the answer in the run's `leaderboard.json`.

    A CSV that was already submitted and has no score yet is not submitted again; only its score is fetched.

    Parameters
    ----------
    run : as for `finding.find_paths`; the newest if None
    output : folder of the runs
    competition : its name or address; None for the one that the digits were downloaded from, else the Digit
        Recognizer
    message : description in Kaggle's list of submissions; the recipe and the CV score if None
    wait : seconds to wait for the public score; None to return at once
    again : submit a CSV that was already submitted; its score stays until Kaggle gives the new one
    progress : called while Kaggle scores the submission

    Raises
    ------
    BadRun
        The run does not exist, is on the practice set, has a CSV that Kaggle would reject, or was already submitted.
    KaggleRefused
        Kaggle did not accept or score the submission; the message says what to do.
    OutputError
        `leaderboard.json` cannot be written.

    Examples
    --------
    >>> upload("latest", wait=600).submitted.public_score  # doctest: +SKIP
    0.99043
    """
    output = Path(output)
    found = find_run(run, output)
    competition = competition_name(competition or found.record.data.competition or DIGIT_RECOGNIZER)
    _check(found, competition)
    sha256, submitted = sha256_of(found.submission), found.submitted()
    if again or submitted is None or not _is_pending(submitted, competition, sha256):
        if not again:
            _refuse_resubmission([ScoredRun(found, submitted), *other_runs(output, [found])], competition, sha256)
        forecast = predict_score(found)
        kaggle = Competition(competition)
        left = kaggle.submissions_left()
        known = submitted.public_score if submitted and _same(submitted, competition, sha256) else None
        message = message or describe(found)
        submitted = Submitted(
            competition=competition,
            submitted=datetime.now().astimezone().isoformat(timespec="seconds"),
            sha256=sha256,
            ref=kaggle.submit(found.submission, message),
            message=message,
            status=PENDING,
            public_score=known,
            prediction=Prediction(expected=forecast.expected, low=forecast.low, high=forecast.high),
        )
        _store(found, submitted)
        if wait is None:
            return Uploaded(found, submitted, left and left - 1)
    else:
        kaggle, left = Competition(competition), None
    return Uploaded(found, _fetch_score(kaggle, found, submitted, wait, progress), left and left - 1)


def describe(run: Run) -> str:
    """The recipe, CV score and folder name of a run, for Kaggle's list of submissions."""
    record, repeated = run.record, f" × {run.record.repeats}" if run.record.repeats > 1 else ""
    made = f"blend of {len(record.parents)} runs" if record.recipe is None else f"seed {record.seed}"
    score = f"CV {record.scores.cv_accuracy:.4f} ± {record.scores.cv_accuracy_std:.4f}"
    return f"{record.name}: {score}, {record.folds} folds{repeated}, {made} ({run.name})"


def _check(run: Run, competition: str) -> None:
    data = run.record.data
    if data.practice:
        raise BadRun(
            f"{run.name}: trained on the practice set, whose ImageIds do not match Kaggle's; "
            "run `kaggle-mnist download` and `kaggle-mnist train`, then upload the new run"
        )
    file = run.verified("submission.csv")
    if competition == DIGIT_RECOGNIZER:
        errors = check_submission(file).errors
    else:
        errors = check_submission(file, run.test_ids(), data.header).errors
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        elsewhere = (data.header, data.own_ids) != (SUBMISSION, False) and competition == DIGIT_RECOGNIZER
        advice = "; its digits are those of another competition: name it with --competition" if elsewhere else ""
        raise BadRun(f"{run.submission}: Kaggle would reject it: {errors[0]}{more}{advice}")


def _is_pending(submitted: Submitted, competition: str, sha256: str) -> bool:
    """Whether that CSV was submitted and, as far as is known, has no score yet."""
    return _same(submitted, competition, sha256) and submitted.status == PENDING and submitted.ref is not None


def _same(submitted: Submitted, competition: str, sha256: str) -> bool:
    return submitted.competition == competition and submitted.sha256 == sha256


def _refuse_resubmission(standings: list[ScoredRun], competition: str, sha256: str) -> None:
    for standing in standings:
        run, earlier = standing.run, standing.submitted
        if earlier is not None and _same(earlier, competition, sha256):
            result = earlier.status if earlier.public_score is None else f"public score {earlier.public_score:.5f}"
            when = earlier.submitted[:10]
            raise BadRun(f"{run.name}: the same CSV was submitted on {when} ({result}); --again submits it once more")


def _fetch_score(
    kaggle: Competition, run: Run, submitted: Submitted, wait: float | None, progress: Progress
) -> Submitted:
    """Poll for the score until there is one or `wait` seconds have passed, and store it; if None, ask once."""
    ref = submitted.ref or 0
    hint = f"to keep waiting: kaggle-mnist upload {as_argument(run.path)} --wait"
    started, pause = time.monotonic(), FIRST_PAUSE
    try:
        while (answer := kaggle.answer(ref)).status == PENDING and wait is not None:
            waited = time.monotonic() - started
            if waited + pause > wait:
                why = f" ({answer.reason})" if answer.reason else ""
                raise KaggleRefused(f"submission {ref} has no score yet{why}; {hint}")
            progress("Scoring", round(waited), round(wait), PENDING)
            time.sleep(pause)
            pause = min(1.5 * pause, LAST_PAUSE)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; Kaggle has submission {ref}; {hint}") from None
    score = submitted.public_score if answer.public_score is None else answer.public_score
    submitted = submitted.model_copy(update={"status": answer.status, "public_score": score})
    _store(run, submitted)
    if answer.status not in (PENDING, COMPLETE):
        reason = answer.reason or "Kaggle does not say why"
        raise KaggleRefused(f"Kaggle could not score submission {ref}: {reason}")
    return submitted


def _store(run: Run, submitted: Submitted) -> None:
    try:
        write_atomic(run.path / LEADERBOARD, submitted.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        reason = f"cannot be written ({error.strerror}), but Kaggle has the submission as {submitted.ref}"
        raise OutputError(f"{run.path / LEADERBOARD}: {reason}") from error
