"""The page of `compare --html`: several runs side by side, and the digits that they disagree about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.sources import load_same_digits
from kaggle_mnist.recipes.recipe import format_value
from kaggle_mnist.report import charts
from kaggle_mnist.report.disagreements import disagreements
from kaggle_mnist.report.gallery import COLUMNS, draw_sprite
from kaggle_mnist.report.headline import format_seconds
from kaggle_mnist.report.rendering import render, start_of
from kaggle_mnist.report.verdicts import verdicts
from kaggle_mnist.runs.record import Data
from kaggle_mnist.runs.run import Outputs, Run
from kaggle_mnist.settings import changed
from kaggle_mnist.significance import SIGNIFICANT, Pair, format_p
from kaggle_mnist.utils.errors import AmbiguousData, BadData, DataNotFound, OutputError
from kaggle_mnist.utils.files import WRITER, refuse_foreign, write_atomic
from kaggle_mnist.utils.progress import Progress, quiet
from kaggle_mnist.utils.words import plural

if TYPE_CHECKING:
    from kaggle_mnist.compare import Comparison

PAGE_WRITER = f"{WRITER} compare"
MAX_RUNS = 20  # on a page; a search leaves hundreds
HEAD = 4096  # bytes at the start of a page that say of which digits it has pictures
ALL_PAIRS = 4  # runs of which every pair is shown; of more runs, the best is compared with each


def check_page(path: Path) -> None:
    """Raise OutputError if `path` is no HTML file, or one that `compare` did not write."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{path}: must end in .html")
    refuse_foreign(path, header=start_of(PAGE_WRITER))


def write_comparison(
    path: Path,
    comparison: Comparison,
    runs: Sequence[Run],
    *,
    input: str | Path | None = None,
    progress: Progress = quiet,
) -> list[str]:
    """Write the page of a comparison: one self-contained HTML file.

    Parameters
    ----------
    path : an HTML file
    comparison : of `runs`, in their order
    runs : the runs, whose outputs are read again where pictures need them
    input : where the digits are, as in `load_digits`; by default, the page has no pictures of those that are not found
    progress : called after each part of the page

    Returns
    -------
    Why digits were not found, for each data set.

    Raises
    ------
    OutputError
        The file cannot be written, has another extension, or was not written by `compare`.
    BadRun
        The outputs of a run cannot be read.
    DataNotFound
        The digits in `input` are not those of a run, or there is a page with pictures of digits that are not found now.
    """
    check_page(path)
    progress("Page", 0, 2)
    rows = comparison.rows[:MAX_RUNS]
    pairs = _shown_pairs(comparison)
    by_letter = dict(zip([row.letter for row in rows], runs, strict=False))
    outputs = {letter: run.outputs() for letter, run in by_letter.items()}
    galleries, sprite, digits = _galleries(pairs, by_letter, outputs, input)
    missing = {name: reason for name, reason in digits.items() if isinstance(reason, str)}
    _keep_pictures(path, missing)
    progress("Page", 1, 2)
    page = render(
        "comparison.html.j2",
        writer=PAGE_WRITER,
        rows=rows,
        more=len(comparison.rows) - len(rows),
        best=_best(rows),
        images=sorted({run.record.data.train_images for run in runs[:MAX_RUNS]}),
        same_data=comparison.same_data,
        dropped=any(row.dropped for row in comparison.rows),
        blends=any("blend of" in row.differs for row in comparison.rows),
        pairs=pairs,
        verdicts=verdicts(pairs, {row.letter: _title(row) for row in rows}, _alike(by_letter, outputs)),
        all_pairs=len(comparison.pairs),
        significant=SIGNIFICANT,
        fold_chart=Markup(_fold_chart(rows)),
        forest=Markup(charts.forest([_forest_row(pair) for pair in pairs])) if pairs else "",
        galleries=galleries,
        opened=max(galleries, key=_is_worth_opening, default=None),  # the first of the best
        sprite=sprite,
        missing=list(missing.values()),
        pictured=[name for name in digits if name not in missing],
        columns=COLUMNS,
        fields=_differing([row.settings for row in rows if row.settings]),  # a blend has none
        parents=[(row.letter, run.record.parents) for row, run in zip(rows, runs, strict=False) if run.record.parents],
        format_seconds=format_seconds,
        format_p=format_p,
        plural=plural,
        passed_over=comparison.passed_over,
    )
    try:
        write_atomic(path, page)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    progress("Page", 2, 2)
    return list(missing.values())


def _keep_pictures(path: Path, missing: dict[str, str]) -> None:
    """Raise DataNotFound if the page at `path` has pictures of digits that are missing now."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        found = re.search(rb'<meta name="pictures" content="([^"]*)">', file.read(HEAD))
        pictured = found[1].decode().split() if found else []
        for reason in [reason for name, reason in missing.items() if name in pictured]:
            advice = "" if "--input" in reason else "; specify the digits with --input"
            raise DataNotFound(f"{reason}{advice}; {path} was kept as it is")


def _shown_pairs(comparison: Comparison) -> list[Pair]:
    """All pairs of a few runs; of more, those with the best run on the same digits."""
    return comparison.pairs_of_first(MAX_RUNS, only_with_best=len(comparison.rows) > ALL_PAIRS)


def _best(rows: Sequence[Any]) -> dict[str, str]:
    """The letter of the run with the best value of each score."""
    best = {name: max(rows, key=lambda row: getattr(row, name)).letter for name in ("cv_accuracy", "oof_accuracy")}
    scored = [row for row in rows if row.score is not None]
    best["score"] = max(scored, key=lambda row: row.score).letter if len(scored) > 1 else ""
    return {**best, "oof_log_loss": min(rows, key=lambda row: row.oof_log_loss).letter}


def _title(row: Any) -> str:
    return f"{row.letter} ({row.labels.name or row.recipe})"


def _alike(runs: dict[str, Run], outputs: dict[str, Outputs]) -> list[list[str]]:
    """The letters of runs that have the same outputs for the same digits."""
    groups: dict[tuple[str, bytes, bytes], list[str]] = {}
    for letter, found in outputs.items():
        key = runs[letter].record.data.fingerprint, found.oof.tobytes(), found.test.tobytes()
        groups.setdefault(key, []).append(letter)
    return [letters for letters in groups.values() if len(letters) > 1]


def _fold_chart(rows: Sequence[Any]) -> str:
    return charts.dot_rows([(row.letter, row.folds) for row in rows], "Accuracy of each member, a row for each run")


def _forest_row(pair: Pair) -> tuple[str, float, float, float, bool]:
    label = f"{pair.first} − {pair.second}"
    return label, pair.difference, pair.low, pair.high, pair.p_corrected < SIGNIFICANT


def _differing(settings: Sequence[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same for all trained runs, with the value of each run."""
    names = changed([of_run for of_run in settings if of_run])
    return [(name, [format_value(of_run[name]) if name in of_run else "·" for of_run in settings]) for name in names]


def _galleries(
    pairs: Sequence[Pair], runs: dict[str, Run], outputs: dict[str, Outputs], input: str | Path | None
) -> tuple[list[dict[str, Any]], str, dict[str, Digits | str]]:
    """For each pair the images that only one of its runs read correctly; their sprite; and the digits, or why none."""
    digits: dict[str, Digits | str] = {}
    pixels: list[NDArray[np.uint8]] = []
    galleries = []
    for pair in pairs:
        first, second = outputs[pair.first], outputs[pair.second]
        data = runs[pair.first].record.data
        if data.fingerprint not in digits:
            digits[data.fingerprint] = _digits_or_reason(data, input)
        found = digits[data.fingerprint]
        sides = []
        for chosen in disagreements(first.oof, second.oof, first.y_true):
            places: list[int | None] = [None] * len(chosen)
            if isinstance(found, Digits):
                places = [len(pixels) + i for i in range(len(chosen))]
                pixels += [found.train_images[one.image] for one in chosen]
            sides.append(list(zip(chosen, places, strict=True)))
        galleries.append({"pair": pair, "sides": sides})
    reasons = [found for found in digits.values() if isinstance(found, str)]
    if input is not None and reasons and len(reasons) == len(digits):
        raise DataNotFound(reasons[0])
    return galleries, draw_sprite(np.stack(pixels)) if pixels else "", digits


def _is_worth_opening(gallery: dict[str, Any]) -> tuple[bool, bool]:
    """Whether there are pictures, and whether there is anything."""
    places = [place for side in gallery["sides"] for _, place in side]
    return any(place is not None for place in places), bool(places)


def _digits_or_reason(data: Data, input: str | Path | None) -> Digits | str:
    """The digits that runs were trained on, or why they were not found."""
    try:
        return load_same_digits(data.fingerprint, input, recorded=data.input)
    except (DataNotFound, AmbiguousData, BadData) as error:
        return str(error)
