from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from kaggle_mnist.errors import BadRun, OutputError
from kaggle_mnist.runs import ensure_writable, find_run, npz_bytes, write_run

FILES = {"run.json": b'{"scores": {}}\n', "submission.csv": b"ImageId,Label\n1,2\n"}
NOON = datetime(2026, 11, 23, 12)


def written(output: Path, name: str = "mlp", now: datetime = NOON) -> Path:
    ensure_writable(output)
    return write_run(output, name, FILES, now=now)


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


def test_a_run_that_does_not_exist_or_did_not_finish_is_refused() -> None:
    output = Path("out")
    with pytest.raises(BadRun, match="holds no finished run; `kaggle-mnist train` makes one"):
        find_run(None, output)
    path = written(output)
    with pytest.raises(BadRun, match="no such run"):
        find_run("nowhere", output)
    (path / "SHA256SUMS").unlink()
    with pytest.raises(BadRun, match="SHA256SUMS: is missing; the run did not finish"):
        find_run(path.name, output)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_edited_or_removed_is_named(file: str) -> None:
    path = written(Path("out"))
    (path / file).write_bytes(FILES[file] + b"\n")
    with pytest.raises(BadRun, match=f"{file}: is not as the run wrote it"):
        find_run(None, Path("out"))
    (path / file).unlink()
    with pytest.raises(BadRun, match=f"{file}: is missing"):
        find_run(None, Path("out"))


def test_a_place_that_cannot_be_written_to_is_found_out_first() -> None:
    Path("file").write_text("x")
    with pytest.raises(OutputError, match="cannot write there"):
        ensure_writable(Path("file/submissions"))


def test_a_failed_write_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Path("out")
    ensure_writable(output)
    original = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if self.name == "submission.csv":
            raise OSError(28, "No space left on device")
        return original(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_run(output, "mlp", FILES)
    assert list(output.iterdir()) == []


def test_the_same_arrays_give_the_same_bytes() -> None:
    arrays = {"a": np.arange(5), "b": np.ones((2, 3), np.float32)}
    assert npz_bytes(arrays) == npz_bytes(dict(arrays))
