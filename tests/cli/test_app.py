"""What all commands share: error messages, exit statuses, --help, and no global state left behind."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from kaggle_mnist.cli import app
from kaggle_mnist.cli.app import ORDER, _explain
from tests.cli.invoke import run_program

OUT_OF_MEMORY = [  # in the words of the libraries
    MemoryError(),
    MemoryError("Unable to allocate 149. GiB for an array with shape (200000, 100000) and data type float64"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB"),
    torch.OutOfMemoryError("Allocation on device"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
        " to allocate 400000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: not enough memory: you tried to"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("could not create a primitive"),
    RuntimeError("can't start new thread"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    OSError(errno.ENOMEM, "Kein Speicher"),
]
NOT_OUT_OF_MEMORY = [
    RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously"),
    RuntimeError("CUDA error: invalid argument: pinned memory"),
    RuntimeError("Pin memory thread exited unexpectedly"),
    RuntimeError("unsupported operation: some elements of the input tensor refer to a single memory location."),
    ImportError("cannot import name 'memory'"),
    OSError(errno.EIO, "Input/output error", "memory.npz"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_too_little_memory_is_reported_with_advice(error: Exception) -> None:
    message = "out of memory; try fewer --repeats, a smaller batch_size or fewer hidden units"
    assert _explain(error) == (message, 1)


@pytest.mark.parametrize("error", NOT_OUT_OF_MEMORY, ids=repr)
def test_an_error_that_only_mentions_memory_is_an_internal_error(error: Exception) -> None:
    message, status = _explain(error) or ("", 0)
    assert status == 1
    assert message.startswith(f"internal error: {type(error).__name__}: ")
    assert message.endswith(" (--debug shows the traceback)")
    assert message.isprintable()


@pytest.mark.parametrize("arguments", [["recipes"], ["check", "nowhere.csv"], ["--debug", "recipes"]])
def test_a_command_does_not_change_the_warning_filters(arguments: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        CliRunner().invoke(app, arguments)
        assert warnings.filters == before


@pytest.mark.parametrize("debug", [False, True])
def test_library_warnings_are_shown_only_with_debug(debug: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "kaggle_mnist.cli.screens.training.show_recipes", lambda: warnings.warn("old call", stacklevel=1)
    )
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        CliRunner().invoke(app, ["--debug", "recipes"] if debug else ["recipes"])
    assert [str(warning.message) for warning in shown] == (["old call"] if debug else [])


def test_a_command_does_not_change_the_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ASCII terminal gets a replacement character, and encoding is strict again after the command."""
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    Path("s.csv").write_text("ImageId,Label\n1,é\n")
    with pytest.raises(SystemExit):
        app(["check", "s.csv"])
    stream.seek(0)
    assert "Label is '?'" in stream.read()
    assert stream.errors == "strict"


def test_wrong_usage_exits_with_2_and_debug_shows_the_traceback() -> None:
    assert run_program("train", "--nonsense").returncode == 2
    assert run_program("nonsense").returncode == 2
    assert "Traceback" in run_program("--debug", "train", "--recipe", "nothing").stderr


def test_help_imports_no_slow_package() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'sklearn', 'PIL', 'pydantic', 'rich'}"
    code = f"import sys, kaggle_mnist.cli; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"
    assert "Commands" in run_program("--help").stdout


def test_help_lists_every_command_on_a_line_of_its_own() -> None:
    for columns in (80, 40):
        listed = CliRunner().invoke(app, ["--help"], env={"COLUMNS": f"{columns}"}).output.splitlines()
        assert [line.split()[0] for line in listed if line.startswith("  ") and line.split()[0] in ORDER] == ORDER
        assert max(map(len, listed)) <= columns
        assert columns == 40 or "..." not in "".join(listed[1:])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["report", "nowhere", "--input", "somewhere/else/that/is/not/there"],
            "kaggle-mnist: nowhere: no such run, here or",
        ),
        (
            ["check", "a-folder-with-a-long-name/that-is-not-there.csv"],
            "that-is-not-there.csv: cannot be read as a",
        ),
        (["train", "--folds", "many"], "Error: Invalid value for '--folds': Input"),
    ],
)
def test_an_error_in_a_narrow_terminal_breaks_between_words(
    arguments: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(SystemExit, match="2"):
        app(arguments, prog_name="kaggle-mnist")
    lines = terminal.getvalue().splitlines()
    assert line in lines
    assert max(map(len, lines)) <= 44


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["recipes"], ["--version"]])
def test_a_full_disk_behind_the_output_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "kaggle_mnist", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=600)
    assert done.returncode == 2
    assert done.stderr == "kaggle-mnist: cannot print: the disk that the output goes to is full; free some of it\n"


def test_a_home_that_cannot_be_written_to_causes_no_lines(submissions: Path) -> None:
    command = [sys.executable, "-m", "kaggle_mnist", "compare", "--csv", "--plot", "folds.png"]
    environment = {**os.environ, "HOME": "/proc/nowhere"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_output_is_no_error() -> None:
    command = f"exec '{sys.executable}' -m kaggle_mnist runs >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
