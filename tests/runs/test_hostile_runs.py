"""Malicious runs: their checksums are right, but their files are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from kaggle_mnist.runs.run import Run, read_run
from tests.conftest import reseal
from tests.data.test_hostile_files import bounded, refused
from tests.runs.test_hostile_records import run  # noqa: F401  a fixture


@pytest.mark.parametrize("file", ["run.json", "outputs.npz", "SHA256SUMS"])
@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_a_device_or_a_pipe_in_a_run_is_not_read(file: str, target: str, run: Run) -> None:  # noqa: F811
    os.mkfifo(run.path / "pipe")
    (run.path / file).unlink()
    (run.path / file).symlink_to(target)
    refused(lambda: read_run(run.path).outputs(), "run")
    refused(lambda: read_run(run.path).verify(), "run")


@pytest.mark.parametrize("name", ["folds", "history", "confusion", "digits"])
@pytest.mark.parametrize(
    "change", [lambda t: t[:5], lambda t: t.replace(b"0", b"x"), lambda t: t.replace(b"0", b"inf")]
)
def test_a_table_without_its_columns_or_numbers_is_refused(name: str, change: object, run: Run) -> None:  # noqa: F811
    file = run.path / f"{name}.csv"
    head, rows = file.read_bytes().split(b"\n", 1)
    file.write_bytes(change(head + b"\n" + rows) if name != "confusion" else head + b"\n" + change(rows))  # type: ignore[operator]
    reseal(run.path)
    refused(lambda: read_run(run.path).table(name), f"{name}.csv")


def test_weights_that_are_not_finite_or_of_another_type_are_refused(run: Run) -> None:  # noqa: F811
    file = run.path / "members.safetensors"
    weights = load(file.read_bytes())
    odd, wide = np.full_like(weights["biases.1"], np.nan), weights["biases.1"].astype(np.float64)
    for change, words in ((odd, "not finite"), (wide, "does not match the members")):
        file.write_bytes(save({**weights, "biases.1": change}))
        reseal(run.path)
        refused(run.weights, "members.safetensors", words)


@pytest.mark.slow
def test_weights_of_gigabytes_are_refused_by_their_header(run: Run) -> None:  # noqa: F811
    file, size = run.path / "members.safetensors", 1 << 30
    header = f'{{"weights.0":{{"dtype":"F32","shape":[{size >> 2}],"data_offsets":[0,{size}]}}}}'.encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(file, 8 + len(header) + size)
    reseal(run.path)
    (message,), grown = bounded(
        "runs.run import Run; from tests.harness.recorded import RECORD; read = lambda p: Run(p, RECORD).weights() #",
        f"{run.path}",
    )
    assert "does not match the members" in message
    assert grown < 200 << 20


def test_checksums_or_a_leaderboard_file_of_gigabytes_are_not_read(run: Run) -> None:  # noqa: F811
    for name in ("SHA256SUMS", "leaderboard.json"):
        whole = (run.path / name).read_bytes() if (run.path / name).exists() else b""
        (run.path / name).touch()
        os.truncate(run.path / name, 1 << 40)
        refused(lambda: read_run(run.path).submitted(), name if name != "SHA256SUMS" else "run")
        (run.path / name).write_bytes(whole)
    assert Path("run").is_dir()
