from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kaggle_mnist.runs.record import FORMAT, Record, parse_record
from tests.data.test_hostile_files import refused
from tests.harness import recorded

NO_JSON = ["[" * 100_000, '{"format":' * 5000, "1e400", '"\\ud800"', "\ufeff{}", "{}{}", "\0", ""]


def with_record(change: Callable[[dict[str, Any]], object]) -> str:
    """A valid `run.json` after a change."""
    tree = json.loads(recorded.RECORD.model_dump_json())
    change(tree)
    return json.dumps(tree)


def test_a_record_is_parsed_to_what_was_written() -> None:
    content = recorded.RECORD.model_dump_json()
    assert parse_record(content) == recorded.RECORD
    assert parse_record(content.encode()) == recorded.RECORD


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["data"].update(test_images=10**18), "data.test_images"),  # `check --run` would list them
        (lambda r: r["data"].update(train_images=0), "data.train_images"),
        (lambda r: r.update(folds=10**4000), "folds"),
        (lambda r: r.update(repeats=10**9), "repeats"),
        (lambda r: r.update(seed=10**4000), "seed"),
        (lambda r: r.update(format=10**4000), "newer kaggle-mnist"),
        (lambda r: r.update(dropped=[10]), "dropped: image number out of range"),
        (lambda r: r.update(seconds={}), "seconds: all is missing"),  # `compare` reads it
        (lambda r: r.update(recipe=None), "either a recipe or parents"),
        (lambda r: r["scores"].update(cv_loss=float("nan")), "scores.cv_loss"),
        (lambda r: r.update(name="../../x"), "name"),
        (lambda r: r.update(created="2026-11-24T20:00:00"), "created: must be a date and time with a time zone"),
        (lambda r: r.update(recipe=None, parents=[{"run": "..", "sha256": "0" * 64, "weight": 1}]), "parents.0.run"),
        (lambda r: r.update(recipe=None, parents=[{"run": "a/b", "sha256": "0" * 64, "weight": 1}]), "parents.0.run"),
        (lambda r: r.update({"\u202e\n" + "x" * 100_000: 1}), "Extra inputs"),
    ],
)
def test_a_record_that_no_run_has_is_refused(change: Callable[[dict[str, Any]], object], words: str) -> None:
    refused(lambda: parse_record(with_record(change)), words)


@pytest.mark.parametrize("content", NO_JSON)
def test_content_that_is_not_json_or_too_deep_is_refused(content: str) -> None:
    refused(lambda: parse_record(content))


def test_a_newer_format_is_named_before_any_other_fault() -> None:
    content = json.dumps({"format": FORMAT + 1, "created": "yesterday", "surprise": True})
    refused(lambda: parse_record(content), f"(format {FORMAT + 1}; this version reads up to {FORMAT}); update it")


def test_a_recorded_recipe_may_break_rules_that_are_newer_than_the_run() -> None:
    def set_momentum(record: dict[str, Any]) -> None:
        record["recipe"].update(optimizer="adamw", momentum=0.5)  # a recipe made today must not have this

    record = parse_record(with_record(set_momentum))
    assert record.recipe
    assert record.recipe.momentum == 0.5
    again = Record(**{**dict(record), "resumed": True})
    assert again.recipe is record.recipe


def test_a_recipe_with_an_unknown_field_or_value_is_refused_in_a_record_too() -> None:
    for field, value in (("surprise", 1), ("epochs", 0), ("network", "transformer")):
        refused(lambda f=field, v=value: parse_record(with_record(lambda r: r["recipe"].update({f: v}))), "recipe")  # type: ignore[misc]


def test_a_path_with_invalid_unicode_or_line_breaks_is_escaped() -> None:
    data = recorded.RECORD.data.model_dump()
    escaped = type(recorded.RECORD.data)(**{**data, "path": "x\udcff\ny"})
    assert escaped.path == "x\\udcff\\ny"
