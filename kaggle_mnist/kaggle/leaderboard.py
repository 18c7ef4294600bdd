"""Kaggle: the competition's files fetched, a run's submission sent, and its public score beside the prediction."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kaggle_mnist.data import kaggle_csv
from kaggle_mnist.forecast import Gains, predict_score
from kaggle_mnist.kaggle.competition import COMPLETE, DIGIT_RECOGNIZER, PENDING, Competition
from kaggle_mnist.runs.finding import find_run, other_runs
from kaggle_mnist.runs.record import Prediction, Submitted
from kaggle_mnist.runs.run import LEADERBOARD, Run, ScoredRun
from kaggle_mnist.runs.submission import COMPETITION_IDS, check_submission
from kaggle_mnist.utils.errors import BadRun, KaggleRefused, OutputError
from kaggle_mnist.utils.files import sha256_of, write_whole
from kaggle_mnist.utils.progress import Progress, quiet

FIRST_PAUSE, LAST_PAUSE = 2.0, 20.0  # seconds between two looks at a submission; Kaggle takes some seconds to score it


@dataclass(frozen=True)
class Uploaded:
    """A run, what Kaggle knows of it, and how many more submissions it takes today (None: it did not tell)."""

    run: Run
    submitted: Submitted
    left: int | None


def download(folder: str | Path = "input", *, competition: str = DIGIT_RECOGNIZER, progress: Progress = quiet) -> Path:
    """Fetch the competition's files as one zip, which `load_digits` reads in place, and give its path.

    Raises OutputError where the folder holds something already or cannot be written to, KaggleRefused with what to do
    where Kaggle does not give them, and BadData where what it gives is not `train.csv` and `test.csv`.
    """
    folder = Path(folder)
    try:
        there = sorted(path.name for path in folder.glob("[!.]*") if path.name != "README.md")
        if there:
            more = f" and {len(there) - 1} more" if len(there) > 1 else ""
            raise OutputError(f"{folder}: holds {there[0]}{more} already; move that away, then download again")
        source = Competition(competition)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-", ignore_cleanup_errors=True) as parent:
            came = source.fetch(Path(parent), progress)
            missing = [name for name in kaggle_csv.COLUMNS if name not in kaggle_csv.in_zip(came)]
            if missing:
                raise KaggleRefused(f"{competition}: its files lack {missing[0]}; it is not a competition on digits")
            target = folder / f"{competition}.zip"
            return came.replace(target)
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there ({error.strerror})") from error


def upload(
    run: str | None = None,
    output: str | Path = "submissions",
    *,
    competition: str = DIGIT_RECOGNIZER,
    message: str | None = None,
    wait: float | None = None,
    again: bool = False,
    progress: Progress = quiet,
) -> Uploaded:
    """Send a run's `submission.csv` to Kaggle, and keep what it answers in the run's `leaderboard.json`.

    A submission that has no score yet is not sent anew: its score is asked for.

    Parameters
    ----------
    run : its path, its folder's name below `output`, or the newest (``"latest"`` or None)
    output : the folder of the runs
    competition : the last part of its address
    message : for the list of submissions; the recipe and the CV score where left out
    wait : seconds to wait for the public score; None does not wait
    again : send a CSV that was sent already
    progress : called while Kaggle scores

    Raises
    ------
    BadRun
        No such run, one whose CSV Kaggle would not take or could not score, or one whose CSV was sent already.
    KaggleRefused
        What Kaggle did not do, and what to do about it.
    """
    output = Path(output)
    found = find_run(run, output)
    _check(found, competition)
    sha256, submitted = sha256_of(found.submission), found.submitted()
    if again or submitted is None or not _awaited(submitted, competition, sha256):
        others = other_runs(output, [found])
        if not again:
            _refuse_a_second_time([ScoredRun(found, submitted), *others], competition, sha256)
        forecast = predict_score(found, Gains(others))
        kaggle = Competition(competition)
        left = kaggle.submissions_left()
        said = message or describe(found)
        submitted = Submitted(
            competition=competition,
            submitted=datetime.now().astimezone().isoformat(timespec="seconds"),
            sha256=sha256,
            ref=kaggle.submit(found.submission, said),
            message=said,
            status=PENDING,
            public_score=None,
            prediction=Prediction(expected=forecast.expected, low=forecast.low, high=forecast.high),
        )
        _keep(found, submitted)
        if wait is None:
            return Uploaded(found, submitted, left and left - 1)
    else:
        kaggle, left = Competition(competition), None
    return Uploaded(found, _fetch_score(kaggle, found, submitted, wait, progress), left and left - 1)


def describe(run: Run) -> str:
    """The recipe and the CV score of a run, and where it is, for Kaggle's list of submissions."""
    record, repeated = run.record, f" × {run.record.repeats}" if run.record.repeats > 1 else ""
    made = f"blend of {len(record.parents)} runs" if record.recipe is None else f"seed {record.seed}"
    score = f"CV {record.scores.cv_accuracy:.4f} ± {record.scores.cv_accuracy_std:.4f}"
    return f"{record.name}: {score}, {record.folds} folds{repeated}, {made} ({run.name})"


def _check(run: Run, competition: str) -> None:
    if run.record.data.practice:
        raise BadRun(
            f"{run.name}: was made on the practice set, whose ImageIds are other digits than Kaggle's; "
            "train on the files of `kaggle-mnist download`, then upload that run"
        )
    expected = COMPETITION_IDS if competition == DIGIT_RECOGNIZER else run.record.data.test_images
    errors = check_submission(run.verified("submission.csv"), expected).errors
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise BadRun(f"{run.submission}: Kaggle would not take it, {errors[0]}{more}")


def _awaited(submitted: Submitted, competition: str, sha256: str) -> bool:
    """Whether that CSV is with Kaggle and has no score yet, as far as is known."""
    return _same(submitted, competition, sha256) and submitted.status == PENDING and submitted.ref is not None


def _same(submitted: Submitted, competition: str, sha256: str) -> bool:
    return submitted.competition == competition and submitted.sha256 == sha256


def _refuse_a_second_time(standings: list[ScoredRun], competition: str, sha256: str) -> None:
    for standing in standings:
        run, earlier = standing.run, standing.submitted
        if earlier is not None and _same(earlier, competition, sha256):
            known = earlier.status if earlier.public_score is None else f"public score {earlier.public_score:.5f}"
            when = earlier.submitted[:10]
            raise BadRun(f"{run.name}: the same CSV was sent on {when} ({known}); --again sends it once more")


def _fetch_score(
    kaggle: Competition, run: Run, submitted: Submitted, wait: float | None, progress: Progress
) -> Submitted:
    """Ask for the score until there is one or `wait` seconds are over, and keep it. Without `wait`, ask once."""
    ref = submitted.ref or 0
    go_on = f"`kaggle-mnist upload {run.name} --wait` goes on waiting"
    started, pause = time.monotonic(), FIRST_PAUSE
    try:
        while (answer := kaggle.answer(ref)).status == PENDING and wait is not None:
            waited = time.monotonic() - started
            if waited + pause > wait:
                why = f" ({answer.reason})" if answer.reason else ""
                raise KaggleRefused(f"submission {ref} has no score yet{why}: {go_on}")
            progress("Scoring", round(waited), round(wait), PENDING)
            time.sleep(pause)
            pause = min(1.5 * pause, LAST_PAUSE)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; submission {ref} is with Kaggle, {go_on}") from None
    submitted = submitted.model_copy(update={"status": answer.status, "public_score": answer.public_score})
    _keep(run, submitted)
    if answer.status not in (PENDING, COMPLETE):
        reason = answer.reason or "it does not say why"
        raise KaggleRefused(f"Kaggle could not score submission {ref}: {reason}")
    return submitted


def _keep(run: Run, submitted: Submitted) -> None:
    try:
        write_whole(run.path / LEADERBOARD, submitted.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        reason = f"cannot be written ({error.strerror}), but Kaggle has the submission, as {submitted.ref}"
        raise OutputError(f"{run.path / LEADERBOARD}: {reason}") from error
