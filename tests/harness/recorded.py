"""A tiny run made without training: ten labeled digits, two unlabeled ones, two members with four hidden units."""

from __future__ import annotations

import hashlib
from random import Random

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.runs.folder import run_files as files_of
from kaggle_mnist.runs.labels import Labels
from kaggle_mnist.runs.record import Data, Parent, Prediction, Record, Scores, Submitted
from kaggle_mnist.runs.run import Outputs
from kaggle_mnist.runs.unfinished import PLAN, Plan, state_name
from kaggle_mnist.training.metrics import fold_scores, oof_tables
from tests.harness.archives import mutated_npz, mutated_safetensors
from tests.harness.mutation import mutated, mutated_json, mutated_lines, pick
from tests.harness.samples import Mutate

RECIPE = Recipe(name="tiny", hidden=(4,), epochs=1)
SCORES = Scores(
    cv_accuracy=0.5,
    cv_accuracy_std=0.1,
    cv_loss=1.0,
    oof_accuracy=0.5,
    oof_loss=1.0,
    oof_log_loss=1.0,
    withheld_accuracy=None,
)
RECORD = Record(
    created="2026-11-24T20:00:00+00:00",
    name="tiny",
    recipe=RECIPE,
    folds=2,
    repeats=1,
    seed=0,
    dropped=(3,),
    data=Data(
        source="practice set",
        path="fuzz",
        fingerprint="0" * 64,
        test_fingerprint="1" * 64,
        practice=False,
        train_images=10,
        test_images=2,
    ),
    scores=SCORES,
    environment={"device": "cpu", "threads": 1},
    seconds={"load": 0.1, "train": 1.0, "all": 1.2},
)
TABLES = ("folds", "history", "confusion", "digits")
HISTORY = (
    "epoch,repeat,fold,learning_rate,train_loss,watched_loss,watched_accuracy\n1,0,0,1e-3,2,2,0.2\n1,0,1,1e-3,2,2,0.3\n"
)


def blend_json() -> bytes:
    """The run.json of a blend."""
    parents = (Parent(run="a", sha256="2" * 64, weight=0.5), Parent(run="b", sha256="3" * 64, weight=0.5))
    return (
        RECORD.model_copy(update={"recipe": None, "parents": parents, "weights": "equal", "seed": None})
        .model_dump_json()
        .encode()
    )


def leaderboard_json() -> bytes:
    """The leaderboard.json of a scored submission."""
    prediction = Prediction(expected=0.97, low=0.96, high=0.98)
    return Submitted(
        competition="digit-recognizer", submitted="2026-11-24T20:10:00+00:00", sha256="4" * 64, ref=1, message="tiny",
        status="COMPLETE", public_score=0.97, prediction=prediction,
    ).model_dump_json().encode()  # fmt: skip


def labels_json() -> bytes:
    """The labels.json of a run with a name, a note and tags."""
    return Labels(name="wide", note="twice the units", tags=("good", "to-blend")).model_dump_json().encode()


def run_files(images: NDArray[np.uint8], tests: NDArray[np.uint8]) -> dict[str, bytes]:
    """The files of the run folder, including `SHA256SUMS`."""
    rng, labels = np.random.default_rng(0), np.arange(10)
    oof, test = (rng.random((n, 10), np.float32) for n in (len(images), len(tests)))
    fold_of = np.arange(10)[None] % 2
    outputs = Outputs(oof, test, labels, np.arange(1, len(tests) + 1), fold_of)
    tables = {"folds": fold_scores(oof[None], labels, fold_of, RECIPE), **oof_tables(oof, labels)}
    files = files_of(RECORD, outputs, tables)
    weights = {f"weights.{i}": rng.random((2, *shape), np.float32) for i, shape in enumerate(((784, 4), (4, 10)))}
    weights |= {f"biases.{i}": np.zeros((2, 1, n), np.float32) for i, n in enumerate((4, 10))}
    files |= {"history.csv": HISTORY.encode(), "members.safetensors": save(weights)}
    return {**files, "SHA256SUMS": _sums(files)}


def checkpoint_files() -> dict[str, bytes]:
    """The checkpoint of that run, unfinished after its first epoch."""
    plan = Plan(
        created=RECORD.created, recipe=RECIPE, folds=2, repeats=1, seed=0, device="cpu", threads=1, score=False,
        dropped=(3,), input="practice", data=RECORD.data, environment=RECORD.environment,
    )  # fmt: skip
    state = save({"network.weights.0": np.zeros((2, 784, 4), np.float32)}, {"history": "[{}]", "seconds": "1.5"})
    files = {PLAN: plan.model_dump_json().encode(), state_name(1): state}
    return {f"checkpoint/{name}": content for name, content in {**files, "SHA256SUMS": _sums(files)}.items()}


def mutated_checkpoint(rng: Random, sample: dict[str, bytes], other: dict[str, bytes]) -> dict[str, bytes]:
    """A changed list of checksums; or a changed plan or state, with valid checksums."""
    files = {name.removeprefix("checkpoint/"): content for name, content in sample.items()}
    sums = files.pop("SHA256SUMS")
    name = pick(rng, [*files, "SHA256SUMS"])
    if name == "SHA256SUMS":
        sums = mutated_lines(rng, sums, b"", b"  ")
    else:
        change = mutated_json if name == PLAN else mutated_safetensors
        content = change(rng, files.pop(name), b"")
        odd = pick(rng, ("epoch-zz.safetensors", "epoch-99999.safetensors", "epoch-٣.safetensors"))
        files[odd if rng.random() < 0.05 else name] = content
        sums = _sums(files)
    return {f"checkpoint/{name}": content for name, content in {**files, "SHA256SUMS": sums}.items()}


def sealed(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files with valid checksums."""
    files = {name: content for name, content in files.items() if name != "SHA256SUMS"}
    return {**files, "SHA256SUMS": _sums(files)}


def then_sealed(mutate: Mutate) -> Mutate:
    """A mutator that applies `mutate` to the files that have checksums, then recomputes the checksums."""

    def change(rng: Random, sample: dict[str, bytes], other: dict[str, bytes]) -> dict[str, bytes]:
        sample, other = ({n: content for n, content in of.items() if n != "SHA256SUMS"} for of in (sample, other))
        return sealed(mutate(rng, sample, other))

    return change


def _sums(files: dict[str, bytes]) -> bytes:
    return "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())
    ).encode()


COLUMNS = {
    name: content.split(b"\n", 1)[0].decode().split(",")
    for name, content in (
        (n, run_files(np.zeros((10, 28, 28), np.uint8), np.zeros((2, 28, 28), np.uint8))[f"{n}.csv"]) for n in TABLES
    )
}


def resealed(rng: Random, sample: dict[str, bytes], other: dict[str, bytes]) -> dict[str, bytes]:
    """Changes to the files that jobs on finished runs read, with valid checksums."""
    files = {name: content for name, content in sample.items() if name != "SHA256SUMS"}
    for _ in range(pick(rng, (1, 1, 2))):
        name = pick(rng, list(CHANGES))
        files[name] = CHANGES[name](rng, files.get(name, b""), other.get(name, b""))
    listed = {name: content for name, content in files.items() if name != "leaderboard.json"}
    return {**files, "SHA256SUMS": _sums(listed)}


CHANGES = {
    "run.json": mutated_json,
    "leaderboard.json": mutated_json,
    "outputs.npz": mutated_npz,
    "members.safetensors": mutated_safetensors,
    "folds.csv": mutated_lines,
    "history.csv": mutated_lines,
}


def mutated_run(rng: Random, sample: dict[str, bytes], other: dict[str, bytes]) -> dict[str, bytes]:
    """A changed list of checksums; or a changed file, most often with a valid checksum."""
    sample, kind = dict(sample), rng.random()
    if kind < 0.5:
        sample["SHA256SUMS"] = mutated_lines(rng, sample["SHA256SUMS"], b"", b"  ")
        return sample
    files = {name: content for name, content in sample.items() if name != "SHA256SUMS"}
    name = pick(rng, list(files))
    if kind < 0.75:
        files[name] = mutated(rng, files[name])
    elif kind < 0.85:
        files[name] = b"@link " + pick(
            rng, (b"..", b"run.json", b"/etc/passwd", b"nowhere", b"/dev/null", name.encode())
        )
    elif kind < 0.95:
        del files[name]
    else:
        files[pick(rng, ("x", "\u202e", "é", "a b", "\n", "x\ty"))] = b"x"
    return {**files, "SHA256SUMS": _sums(files) if rng.random() < 0.8 else sample["SHA256SUMS"]}
