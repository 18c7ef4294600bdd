from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kaggle_mnist.cli import app
from kaggle_mnist.runs import folder as run_writing
from kaggle_mnist.runs.arrays import npz_bytes
from kaggle_mnist.runs.finding import find_run, list_runs, other_runs
from kaggle_mnist.runs.folder import ensure_writable, write_run
from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.utils.errors import BadRun, OutputError
from kaggle_mnist.utils.files import SUMS
from tests.conftest import reseal
from tests.opened import opened_files

FILES = ("run.json", "submission.csv", "outputs.npz")
NOON = datetime(2026, 11, 23, 12)


@pytest.fixture(autouse=True)
def _real_files(evening: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = list_runs(evening)[0]
    monkeypatch.setitem(CONTENT, "files", {file: (first / file).read_bytes() for file in FILES})


CONTENT: dict[str, dict[str, bytes]] = {}


def written(output: Path, name: str = "mlp", now: datetime = NOON) -> Path:
    ensure_writable(output)
    return write_run(output, name, CONTENT["files"], now=now)


def test_a_run_folder_is_named_for_its_time_and_recipe_and_verifies() -> None:
    path = written(Path("submissions"))
    assert path == Path("submissions/20261123-120000-mlp")
    assert {file.name for file in path.iterdir()} == {*FILES, "SHA256SUMS"}
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=path, check=False).returncode == 0
    assert [entry.name for entry in Path("submissions").iterdir()] == [path.name]


def test_two_runs_of_the_same_second_get_two_folders() -> None:
    assert [written(Path("out")).name for _ in range(3)] == [f"20261123-120000-mlp{end}" for end in ("", "-2", "-3")]


def test_a_run_is_found_by_path_by_name_and_as_the_latest() -> None:
    output = Path("out")
    old, new = written(output), written(output, now=NOON.replace(hour=13))
    assert find_run(str(old), output).path == old
    assert find_run(old.name, output).path == old
    assert find_run("latest", output).path == new
    assert find_run(None, output).path == new


def test_the_latest_is_the_one_made_last_whatever_its_folder_is_called(submissions: Path) -> None:
    old, *_, new = list_runs(submissions)
    old.rename(submissions / "zebra")
    new.rename(submissions / "a run of mine [red]")
    assert find_run("latest", submissions).name == "a run of mine [red]"
    with pytest.raises(BadRun, match="no such run"):
        find_run("x" * 300, submissions)


def test_a_run_that_does_not_exist_or_did_not_finish_is_refused() -> None:
    output = Path("out")
    with pytest.raises(BadRun, match="no finished run here; `kaggle-mnist train` makes one"):
        find_run(None, output)
    path = written(output)
    with pytest.raises(BadRun, match="no such run"):
        find_run("nowhere", output)
    (path / "SHA256SUMS").unlink()
    with pytest.raises(BadRun, match="SHA256SUMS: is missing; restore it"):
        find_run(path.name, output)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_edited_or_removed_is_named(file: str) -> None:
    path = written(Path("out"))
    (path / file).write_bytes(CONTENT["files"][file] + b"\n")
    with pytest.raises(BadRun, match=f"{file}: does not match its checksum"):
        find_run(None, Path("out")).verify()
    (path / file).unlink()
    with pytest.raises(BadRun, match=f"{file}: is missing"):
        find_run(None, Path("out")).verify()


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("run.json", lambda run: read_run(run.path)),
        ("outputs.npz", Run.outputs),
        ("folds.csv", lambda run: run.table("folds")),
        ("confusion.csv", lambda run: run.table("confusion")),
        ("members.safetensors", Run.weights),
        ("submission.csv", lambda run: run.verified("submission.csv")),
    ],
)
def test_a_flipped_bit_is_noticed_by_whoever_reads_the_file(
    file: str, read: Callable[[Run], object], submissions: Path
) -> None:
    run = read_run(list_runs(submissions)[0])
    read(run)
    flip_a_bit(run.path / file)
    for use in (read, Run.verify):
        with pytest.raises(BadRun, match=f"{file}: does not match its checksum"):
            use(run)
    (run.path / file).unlink()
    with pytest.raises(BadRun, match=f"{file}: is missing"):
        read(run)


def test_check_notices_that_the_csv_of_the_run_itself_was_changed(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    check = ["check", f"{run.submission.parent / '..' / run.name / 'submission.csv'}", "--run", run.name]
    assert CliRunner().invoke(app, check).exit_code == 0
    content = run.submission.read_bytes()
    run.submission.write_bytes(content[:-2] + (b"1" if content[-2:-1] != b"1" else b"2") + b"\n")
    done = CliRunner().invoke(app, check)
    assert done.exit_code == 2
    assert "submission.csv: does not match its checksum" in done.stderr


def test_a_file_that_the_checksums_do_not_list_is_not_read(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    lines = (run.path / SUMS).read_text().splitlines(keepends=True)
    (run.path / SUMS).write_text("".join(line for line in lines if "folds.csv" not in line))
    with pytest.raises(BadRun, match=r"SHA256SUMS: does not list folds\.csv"):
        run.table("folds")


def test_finding_a_run_and_its_neighbours_opens_none_of_their_large_files(submissions: Path) -> None:
    with opened_files() as names:
        run = find_run("latest", submissions)
        assert len(other_runs(submissions, [run])) == 2
    assert set(names) == {"SHA256SUMS", "run.json"}


def test_outputs_are_parsed_from_the_bytes_that_were_verified(submissions: Path) -> None:
    run = read_run(list_runs(submissions)[0])
    with opened_files() as names:
        run.outputs()
        run.table("folds")
    assert sorted(names) == ["SHA256SUMS", "SHA256SUMS", "folds.csv", "outputs.npz"]


def test_a_place_that_cannot_be_written_to_is_found_out_first() -> None:
    Path("file").write_text("x")
    with pytest.raises(OutputError, match="cannot write there"):
        ensure_writable(Path("file/submissions"))


def test_a_failed_write_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Path("out")
    ensure_writable(output)
    original = run_writing.write_whole

    def full(path: Path, content: bytes) -> None:
        if path.name == "submission.csv":
            raise OSError(28, "No space left on device")
        original(path, content)

    monkeypatch.setattr(run_writing, "write_whole", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_run(output, "mlp", CONTENT["files"])
    assert list(output.iterdir()) == []


def test_the_same_arrays_give_the_same_bytes() -> None:
    arrays = {"a": np.arange(5), "b": np.ones((2, 3), np.float32)}
    assert npz_bytes(arrays) == npz_bytes(dict(arrays))


def test_outputs_that_were_edited_and_given_new_checksums_are_refused(submissions: Path) -> None:
    path = list_runs(submissions)[0]
    outputs = find_run(path.name, submissions).outputs()
    arrays = {
        "oof_outputs": outputs.oof,
        "test_outputs": outputs.test,
        "y_true": outputs.y_true,
        "test_ids": outputs.test_ids,
        "fold_of": outputs.fold_of,
    }
    for changed, message in (
        ({"oof_outputs": outputs.oof[:-1]}, r"oof_outputs must have shape \(1500, 10\) and type float32"),
        ({"test_outputs": outputs.test.astype(np.float64)}, r"test_outputs must have shape \(300, 10\) and type"),
        ({"oof_outputs": np.where(outputs.oof > 0.9, np.float32("nan"), outputs.oof)}, "has values outside 0 to 1"),
        ({"y_true": np.array([object()] * 1500)}, "y_true must have shape"),
    ):
        np.savez(path / "outputs.npz", **{**arrays, **changed})
        reseal(path)
        with pytest.raises(BadRun, match=message):
            read_run(path).outputs()


def test_a_run_whose_list_of_files_was_cut_is_refused(submissions: Path) -> None:
    path = list_runs(submissions)[0]
    lines = (path / SUMS).read_text().splitlines(keepends=True)
    (path / SUMS).write_text("".join(line for line in lines if "outputs.npz" not in line))
    with pytest.raises(BadRun, match=r"SHA256SUMS: does not list outputs\.npz"):
        read_run(path)


@pytest.mark.parametrize(
    ("old", "new"), [('"seed": ', '"seeds": '), ('"cv_accuracy": 0', '"cv_accuracy": 7'), ("{", "")]
)
def test_a_record_that_no_run_writes_is_refused(submissions: Path, old: str, new: str) -> None:
    path = list_runs(submissions)[0]
    (path / "run.json").write_text((path / "run.json").read_text().replace(old, new, 1))
    reseal(path)
    with pytest.raises(BadRun, match=r"run\.json: "):
        read_run(path)
