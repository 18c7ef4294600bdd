"""run.sh reports in one line what is missing, and starts at once if nothing is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "a path with spaces"
    folder.mkdir()
    for name in ("run.sh", "pyproject.toml", "constraints.txt", "kaggle_mnist", "benchmarks"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    return folder


def python_stub(folder: Path, script: str) -> str:
    stub = folder / "python"
    stub.write_text(f"#!/bin/sh\n{script}\n")
    stub.chmod(0o755)
    return str(stub)


MAKES_A_VENV = """
if [ "$1 $2" = "-m venv" ]; then
    for folder; do :; done
    if [ "$3" = --clear ]; then rm -rf "$folder"; fi
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python"
    if [ -n "${INTERRUPTED:-}" ]; then kill -9 "$PPID"; fi
    printf '#!/bin/sh\\necho started' >"$folder/bin/kaggle-mnist"
    chmod +x "$folder/bin/kaggle-mnist"
elif [ "$3" = install ]; then
    echo installed
fi
"""


def run_sh(clone: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(clone / "run.sh"), *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=env)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            'if [ "$1" = --version ]; then echo Python 3.10.1; else exit 1; fi',
            "needs Python 3.11 to 3.14, found Python 3.10.1 (PYTHON is /",
        ),
        ("exit 1", "/python); correct or unset PYTHON"),
        ('case "$2" in *venv*) exit 1;; esac', "has no venv module; install it"),
    ],
)
def test_an_old_python_or_one_without_venv_is_reported_in_one_line(clone: Path, script: str, message: str) -> None:
    done = run_sh(clone, PYTHON=python_stub(clone, script))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (clone / ".venv").exists()


def test_a_python_may_be_given_relative_to_the_callers_folder(clone: Path, tmp_path: Path) -> None:
    python_stub(tmp_path, MAKES_A_VENV)
    command, env = [str(clone / "run.sh")], {**os.environ, "PYTHON": "./python"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "installed\nstarted\n"


def test_an_installed_clone_passes_on_its_arguments(clone: Path) -> None:
    """With a stub for the installed program: its arguments arrive unchanged, and it runs in the repository."""
    (clone / ".venv/bin").mkdir(parents=True)
    stub = clone / ".venv/bin/kaggle-mnist"
    stub.write_text('#!/bin/sh\npwd\nprintf "<%s>" "$@"\n')
    stub.chmod(0o755)
    files = ("pyproject.toml", "constraints.txt", "kaggle_mnist/__init__.py")
    (clone / ".venv/installed").write_text(f"{clone}\n" + "".join((clone / file).read_text() for file in files))
    assert run_sh(clone).stdout == f"{clone}\n<train>"
    assert run_sh(clone, "data", "--input", "two words").stdout == f"{clone}\n<data><--input><two words>"


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["upload", "--wait"], "[kaggle]"),
        (["--debug", "download"], "[kaggle]"),
        (["audit"], "[audit]"),
        (["export", "latest", "model.onnx"], "[onnx]"),
        (["train", "--log", "tensorboard"], "[tensorboard]"),
        (["train", "--cluster", "local", "--log=mlflow"], "[cluster,mlflow]"),
        (["train", "upload"], ""),
        (["--help"], ""),
    ],
)
def test_a_command_installs_the_packages_that_only_it_needs(clone: Path, arguments: list[str], extra: str) -> None:
    """With a stub for Python that prints what it should install."""
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/home").write_text(f"{clone}\n")
    Path(python_stub(clone / ".venv/bin", "")).rename(clone / ".venv/bin/kaggle-mnist")
    python_stub(clone / ".venv/bin", 'if [ "$3" = install ]; then echo "<$8>"; fi')
    assert run_sh(clone, *arguments).stdout == f"<.{extra}>\n"
    assert run_sh(clone, *arguments).stdout == ""  # installed already


def test_tests_run_on_all_cores_unless_a_number_is_given(clone: Path) -> None:
    """With a stub for Python that prints its arguments: of two ``-n``, pytest takes the last."""
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/home").write_text(f"{clone}\n")
    python_stub(clone / ".venv/bin", 'if [ "$2" = pytest ]; then echo "$@"; fi')
    assert run_sh(clone, "test").stdout == "-m pytest -n auto --dist worksteal\n"
    assert run_sh(clone, "test", "-n", "0").stdout == "-m pytest -n auto --dist worksteal -n 0\n"


def test_bench_lists_the_benchmarks(clone: Path) -> None:
    done = run_sh(clone, "bench", "nothing")
    assert done.returncode == 2
    assert "bench takes one of:" in done.stderr


@pytest.mark.parametrize("shell", [["sh"], ["bash", "--posix"]])
def test_sh_can_run_it(clone: Path, shell: list[str]) -> None:
    command = [*shell, "run.sh", "bench", "two words"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("run.sh: bench takes one of: ")
    assert done.stderr.count("\n") == 1


def test_the_callers_python_settings_affect_neither_installation_nor_run(clone: Path, tmp_path: Path) -> None:
    show = '\nenv | grep foreign\necho "user $PIP_USER"'
    python = python_stub(tmp_path, MAKES_A_VENV.replace("echo installed", show).replace("echo started", show))
    names = (
        *("PIP_PREFIX", "PIP_PYTHON", "PIP_ROOT", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH"),
        *("PIP_CONSTRAINT", "PIP_DRY_RUN", "PIP_NO_BUILD_ISOLATION", "PIP_NO_DEPS", "PIP_REQUIRE_HASHES"),
    )
    done = run_sh(clone, PYTHON=python, **dict.fromkeys(names, "foreign"))
    assert done.stdout == "user 0\nuser 0\n"


# Links, and a .venv from elsewhere


def test_a_link_to_run_sh_uses_the_repository_and_leaves_the_links_folder_alone(clone: Path, tmp_path: Path) -> None:
    python = python_stub(tmp_path, MAKES_A_VENV)
    other = tmp_path / "another project"
    (other / ".venv").mkdir(parents=True)
    (other / ".venv/precious").write_text("theirs")
    (tmp_path / "run").symlink_to(clone / "run.sh")
    (other / "run.sh").symlink_to("../run")
    done = run_sh(other, PYTHON=python)
    assert done.stdout == "installed\nstarted\n"
    assert [path.name for path in (other / ".venv").iterdir()] == ["precious"]
    assert (clone / ".venv/home").read_text() == f"{clone}\n"


def test_a_copy_of_run_sh_in_another_folder_refuses(clone: Path, tmp_path: Path) -> None:
    other = tmp_path / "another project"
    other.mkdir()
    shutil.copy(clone / "run.sh", other)
    (other / "pyproject.toml").write_text('[project]\nname = "another"\n')
    done = run_sh(other, PYTHON=python_stub(tmp_path, MAKES_A_VENV))
    assert done.returncode == 2
    assert done.stderr.startswith(f"run.sh: {other} is not the kaggle-mnist repository; ")
    assert done.stderr.count("\n") == 1
    assert not (other / ".venv").exists()


@pytest.mark.parametrize("linked", [False, True])
def test_a_venv_that_run_sh_did_not_make_is_left_alone(clone: Path, tmp_path: Path, linked: bool) -> None:
    theirs = tmp_path / "elsewhere" if linked else clone / ".venv"
    theirs.mkdir()
    (theirs / "precious").write_text("theirs")
    if linked:
        (theirs / "home").write_text("/another/clone\n")
        (clone / ".venv").symlink_to(theirs)
    before = sorted(theirs.iterdir())
    done = run_sh(clone, PYTHON=python_stub(tmp_path, MAKES_A_VENV))
    assert done.returncode == 2
    assert f"{clone}/.venv {'is a symbolic link; remove it' if linked else 'was not made by run.sh'}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(theirs.iterdir()) == before


def test_an_interrupted_installation_is_repaired_by_the_next_call(clone: Path, tmp_path: Path) -> None:
    python = python_stub(tmp_path, MAKES_A_VENV)
    assert run_sh(clone, PYTHON=python, INTERRUPTED="yes").returncode == -9
    assert (clone / ".venv/bin/python").exists()
    assert run_sh(clone, PYTHON=python).stdout == "installed\nstarted\n"


def test_a_clone_that_was_moved_gets_a_new_venv(clone: Path, tmp_path: Path) -> None:
    python = python_stub(tmp_path, MAKES_A_VENV)
    run_sh(clone, PYTHON=python)
    (clone / ".venv/old").touch()
    moved = clone.rename(tmp_path / "moved")
    assert run_sh(moved, PYTHON=python).stdout == "installed\nstarted\n"
    assert not (moved / ".venv/old").exists()


def test_a_clone_reached_by_two_paths_is_installed_once(clone: Path, tmp_path: Path) -> None:
    python = python_stub(tmp_path, MAKES_A_VENV)
    run_sh(clone, PYTHON=python)
    (tmp_path / "link").symlink_to(clone)
    again = run_sh(tmp_path / "link", PYTHON=python)
    assert (again.stdout, again.stderr) == ("started\n", "")


def test_a_venv_whose_python_is_gone_is_made_again(clone: Path) -> None:
    """As after an upgrade of the system: the stamp is there, and .venv/bin/python leads nowhere."""
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/home").write_text(f"{clone}\n")
    (clone / ".venv/bin/python").symlink_to("/nowhere/python3")
    files = ("pyproject.toml", "constraints.txt", "kaggle_mnist/__init__.py")
    packages = "".join((clone / file).read_text() for file in files)
    (clone / ".venv/installed").write_text(f"{clone}\nPython 3.12\n{packages}")
    done = run_sh(clone, PYTHON=python_stub(clone, "exit 1"))
    assert done.returncode == 2
    assert "needs Python 3.11 to 3.14" in done.stderr


def test_a_venv_whose_python_is_now_another_version_is_made_again(clone: Path, tmp_path: Path) -> None:
    """As after an upgrade of Debian: .venv/bin/python leads to a newer Python, which does not see the packages."""
    python = python_stub(tmp_path, MAKES_A_VENV + 'if [ "$1" = --version ]; then echo Python 3.12.4; fi')
    run_sh(clone, PYTHON=python)
    (clone / ".venv/old").touch()
    upgraded = 'if [ "$1" = --version ]; then echo Python 3.1V; fi; case "$2" in *pip*) exit 1;; esac'
    python_stub(clone / ".venv/bin", upgraded.replace("V", "2.9"))
    assert run_sh(clone, PYTHON=python).stdout == "started\n"
    python_stub(clone / ".venv/bin", upgraded.replace("V", "3.0"))
    assert run_sh(clone, PYTHON=python).stdout == "installed\nstarted\n"
    assert not (clone / ".venv/old").exists()


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        ('mkdir -p "$folder/bin"; exit 1', "run.sh: making .venv failed, see above"),
        ('mkdir -p "$folder/bin" "$folder/installed"', "run.sh: the installation failed, see above"),
    ],
)
def test_what_cannot_be_written_ends_with_a_line_that_says_what_is_free_on_the_disk(
    clone: Path, tmp_path: Path, failing: str, message: str
) -> None:
    done = run_sh(clone, PYTHON=python_stub(tmp_path, MAKES_A_VENV.replace('mkdir -p "$folder/bin"', failing)))
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{message} (free on this disk: ")
    assert last.endswith("); start again once its cause is gone")


def test_a_word_is_completed_by_the_installed_program_and_nothing_is_installed_for_it(clone: Path) -> None:
    asked = {"COMP_WORDS": "./run.sh compare ", "COMP_CWORD": "2", "_KAGGLE_MNIST_COMPLETE": "complete_bash"}
    done = run_sh(clone, **asked, PYTHON=python_stub(clone, MAKES_A_VENV))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (clone / ".venv").exists()
    (clone / ".venv/bin").mkdir(parents=True)
    stub = clone / ".venv/bin/kaggle-mnist"
    stub.write_text('#!/bin/sh\necho "$#" "$_KAGGLE_MNIST_COMPLETE" "$COMP_WORDS"\n')
    stub.chmod(0o755)
    assert run_sh(clone, **asked).stdout == "0 complete_bash ./run.sh compare \n"
