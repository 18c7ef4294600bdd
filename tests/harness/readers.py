"""Every reader of kaggle-mnist: valid files to start from, how they are mutated, and how the reader is called."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import features

from kaggle_mnist.cli.screens import runs as screens
from kaggle_mnist.compare import compare_runs
from kaggle_mnist.data import cache, kaggle_csv, pages, practice, sources
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.places import StoredFile
from kaggle_mnist.data.sample import read_sample
from kaggle_mnist.data.suspects import read_suspects
from kaggle_mnist.recipes.named import find_recipe, named_recipes
from kaggle_mnist.recipes.recipe import Recipe, parse_setting
from kaggle_mnist.report.page import write_report
from kaggle_mnist.runs.checkpoint import Checkpoint
from kaggle_mnist.runs.labels import read_labels
from kaggle_mnist.runs.names import names_of
from kaggle_mnist.runs.record import parse_record
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.runs.submission import check_submission
from kaggle_mnist.runs.unfinished import progress_of, read_plan
from tests.harness import recorded
from tests.harness.archives import mutated_idx, mutated_npz, mutated_safetensors, mutated_zip
from tests.harness.mutation import mutated_json, mutated_lines
from tests.harness.pictures import mutated_picture
from tests.harness.samples import (
    Mutate,
    Sample,
    csv_sample,
    folders_sample,
    idx_of,
    mutated_folders,
    mutated_recipe,
    narrow,
    npz_sample,
    only,
    passed_around,
    picture,
    recipe_sample,
    zip_sample,
)


@dataclass(frozen=True)
class Reader:
    """One reader of the program.

    Attributes
    ----------
    name : its name on the command line
    share : inputs of each million
    seeds : valid samples
    mutate : makes a hostile sample from one, with another to splice from
    read : reads the folder and raises what the program raises; AssertionError for an invalid result
    """

    name: str
    share: int
    seeds: list[Sample]
    mutate: Mutate
    read: Callable[[Path], object]


def read_recipe(folder: Path) -> None:
    """recipe.toml."""
    recipe = find_recipe(f"{folder / 'recipe.toml'}")
    assert Recipe.of(recipe.model_dump()) == recipe


def read_settings(folder: Path) -> None:
    """A file with one line per `--set`."""
    text = (folder / "settings").read_bytes().decode("utf-8", "surrogateescape")
    fields = dict(parse_setting(line) for line in text.split("\n") if line)
    recipe = find_recipe("mlp").replaced(**fields)
    assert Recipe.of(recipe.model_dump()) == recipe


def read_digits(where: Path) -> None:
    digits = sources.load_digits(where)
    side = digits.train_images.shape[1]
    for images in (digits.train_images, digits.test_images):
        assert images.dtype == np.uint8 and images.shape[1:] == (side, side) and len(images)
    assert len(digits.train_labels) == len(digits.train_images)
    assert set(digits.train_labels.tolist()) <= set(range(10))


def read_ids(folder: Path) -> None:
    found = read_sample(StoredFile(folder / "sample_submission.csv"))
    assert len(set(found.ids.tolist())) == len(found.ids) and all(name.isprintable() for name in found.header)


def read_idx(folder: Path) -> None:
    assert practice.read_idx(folder / "labels.gz").dtype == np.uint8


def read_cache(folder: Path) -> None:
    digits = cache._read(folder / "entry.npz", "x")
    assert digits is None or digits.train_images.dtype == np.uint8


def read_checkpoint(folder: Path) -> object:
    checkpoint = Checkpoint(folder, read_plan(folder))
    checkpoint.epoch, checkpoint.repeats = progress_of(folder)
    return checkpoint.load()


def read_outputs(folder: Path) -> None:
    outputs = Run(folder, recorded.RECORD).outputs()
    assert ((outputs.oof >= 0) & (outputs.oof <= 1)).all() and outputs.test.shape == (2, 10)


def read_weights(folder: Path) -> None:
    weights = Run(folder, recorded.RECORD).weights()
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in weights.values())


def read_tables(folder: Path) -> None:
    run = Run(folder, recorded.RECORD)
    for name in recorded.TABLES:
        missing = set(recorded.COLUMNS[name]) - set(run.table(name).columns)
        assert not missing, f"{name}.csv without {missing}"


def read_comparison(folder: Path) -> None:
    comparison = compare_runs([f"{folder}"], folder)
    assert json.loads(json.dumps(comparison.as_dict(), allow_nan=False))
    with contextlib.redirect_stdout(io.StringIO()):
        screens.show_comparison(comparison)


def read_names(folder: Path) -> None:
    name = names_of(folder).name
    assert name is None or name.isprintable()
    labels = read_labels(folder)
    assert labels.name == name and all(word.isprintable() for word in (labels.note, *labels.tags))


def read_photo(folder: Path) -> None:
    for found in pages.read_digits(folder / "photo.jpg"):
        assert found.image.shape == (28, 28) and found.image.dtype == np.uint8
        assert found.corners.shape == (4, 2) and ((found.corners >= 0) & (found.corners <= 1)).all()


def read_list(folder: Path) -> None:
    found = read_suspects(folder / "suspects.csv", np.arange(20) % 10)
    assert list(found) == sorted(set(found)) and all(0 <= image < 20 for image in found)


def read_submission(folder: Path) -> None:
    verdict = check_submission(folder / "submission.csv", 12)
    assert all(line and len(line) < 2000 for line in (*verdict.errors, *verdict.warnings))


def at_2x2(read: Callable[[Path], object], at: str = "") -> Callable[[Path], object]:
    """`read` for CSV files of 2×2 pixels."""

    def read_narrow(folder: Path) -> object:
        pixels = kaggle_csv.PIXELS[:4]
        columns = {"train.csv": ["label", *pixels], "test.csv": pixels}
        with (
            patch.multiple(kaggle_csv, SIDE=2, PIXELS=pixels),
            patch.dict(kaggle_csv.COLUMNS, columns),
            patch.object(sources, "with_dark_background", lambda digits, _: digits),  # too small for a border
        ):
            return read(folder / at)

    return read_narrow


def sealed(change: Callable[[Random, bytes, bytes], bytes]) -> Mutate:
    """A mutator that changes one of a sample's files, then recomputes the checksums."""
    return recorded.then_sealed(only(change))


def all_readers() -> list[Reader]:
    """Every reader, with samples made from practice-set digits."""
    practice_set = practice.load_practice()
    first = [int(np.flatnonzero(practice_set.train_labels == digit)[0]) for digit in range(10)]
    images, tests = practice_set.train_images[first], practice_set.test_images[:2]
    digits = Digits("practice set", "fuzz", images, np.arange(10), tests)
    few, small = Digits("x", "x", images[:3], np.arange(3), tests), narrow(digits)
    run = recorded.run_files(images, tests)
    samples = {name: recorded.sealed({name: run[name]}) for name in run}
    tables = recorded.sealed({f"{name}.csv": run[f"{name}.csv"] for name in recorded.TABLES})
    idx = (practice.FOLDER / "t10k-labels-idx1-ubyte.gz").read_bytes()
    arrays: dict[str, NDArray[Any]] = {"train_images": images, "train_labels": np.arange(10), "test_images": tests}
    checksum = np.array(cache._checksum(digits))
    entry = {"source": np.array("x"), "header": np.array(digits.header), **arrays, "checksum": checksum}
    photos = [
        ("PNG", "L"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "I;16"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("BMP", "RGB"),
    ]
    photos += [("GIF", "P"), ("WEBP", "RGB"), ("TIFF", "L"), ("TIFF", "F"), ("PNG", "1")]
    if features.check("avif"):
        photos.append(("AVIF", "RGBA"))
    lines, suspects = (
        only(mutated_lines),
        "image,label,self_confidence\n" + "".join(f"{i},{i % 10},0.1\n" for i in range(12)),
    )
    check = "ImageId,Label\n" + "".join(f"{i},{i % 10}\n" for i in range(1, 13))
    recipes = [
        {"recipe.toml": recipe_sample(recipe)} for recipe in (*named_recipes().values(), Recipe(name="x", hidden=(1,)))
    ]
    given = [recipe_sample(recipe).splitlines()[2:] for recipe in named_recipes().values()]
    settings = [{"settings": b"\n".join(lines[i : i + 4])} for lines in given for i in range(0, len(lines), 4)]
    formats = [("PNG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK")]
    sent = {**run, "leaderboard.json": recorded.leaderboard_json()}
    samples_of_ids = {"sample_submission.csv": b"id,label\n" + b"".join(b"%d,0\n" % i for i in range(12))}
    return [
        Reader("csv", 12_000, [csv_sample(small)], lines, at_2x2(read_digits)),
        Reader("csv-full", 1_500, [csv_sample(few)], lines, read_digits),
        Reader(
            "zip",
            14_000,
            [
                zip_sample(csv_sample(small)),
                zip_sample(csv_sample(small), "x/", zipfile.ZIP_BZIP2),
                zip_sample(csv_sample(small), "y/", zipfile.ZIP_LZMA),
            ],
            only(mutated_zip),
            at_2x2(read_digits, "digits.zip"),
        ),
        Reader("csv-forms", 6_000, passed_around(csv_sample(small)), lines, at_2x2(read_digits)),
        Reader("sample", 40_000, [samples_of_ids], lines, read_ids),
        Reader("zip-images", 4_000, [zip_sample(folders_sample(digits, "PNG", "L"))], only(mutated_zip), read_digits),
        Reader("folders", 14_000, [folders_sample(digits, *kind) for kind in formats], mutated_folders, read_digits),
        Reader("idx", 75_000, [{"labels.gz": idx_of(idx)}], only(mutated_idx), read_idx),
        Reader("recipe", 110_000, recipes, only(mutated_recipe), read_recipe),
        Reader("set", 130_000, settings, only(mutated_recipe), read_settings),
        Reader(
            "record",
            200_000,
            [samples["run.json"], {"run.json": recorded.blend_json()}],
            only(mutated_json),
            lambda folder: parse_record((folder / "run.json").read_bytes()),
        ),
        Reader(
            "leaderboard",
            100_000,
            [{"leaderboard.json": recorded.leaderboard_json()}],
            only(mutated_json),
            lambda folder: Run(folder, recorded.RECORD).submitted(),
        ),
        Reader("labels", 40_000, [{"labels.json": recorded.labels_json()}], only(mutated_json), read_names),
        Reader("sums", 50_000, [run], recorded.mutated_run, lambda folder: read_run(folder).verify()),
        Reader("outputs", 45_000, [samples["outputs.npz"]], sealed(mutated_npz), read_outputs),
        Reader("weights", 60_000, [samples["members.safetensors"]], sealed(mutated_safetensors), read_weights),
        Reader("checkpoint", 30_000, [recorded.checkpoint_files()], recorded.mutated_checkpoint, read_checkpoint),
        Reader("tables", 8_000, [tables], recorded.then_sealed(lines), read_tables),
        Reader("cache", 20_000, [{"entry.npz": npz_sample(entry)}], only(mutated_npz), read_cache),
        Reader("check", 90_000, [{"submission.csv": check.encode()}], lines, read_submission),
        Reader("suspects", 65_000, [{"suspects.csv": suspects.encode()}], lines, read_list),
        Reader("compare", 3_000, [sent], recorded.resealed, read_comparison),
        Reader("report", 150, [sent], recorded.resealed, lambda folder: write_report(read_run(folder))),
        Reader(
            "photos",
            5_500,
            [{"photo.jpg": picture(images[i % 10], kind, mode, 40)} for i, (kind, mode) in enumerate(photos)],
            only(mutated_picture),
            read_photo,
        ),
    ]
