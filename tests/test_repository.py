"""What git keeps: no archive but the practice set and one run's outputs; text with the same line ends everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRACTICE = {
    f"kaggle_mnist/data/mnist/{name}-ubyte.gz"
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
}
OLD_RUN = {"tests/runs/version-0.1/20261124-200000-old/outputs.npz"}
ENDINGS = (
    *(".7z", ".apk", ".bz2", ".conda", ".crate", ".deb", ".dmg", ".egg", ".gem", ".gz", ".iso", ".jar", ".lz4"),
    *(".lzma", ".npz", ".rar", ".rpm", ".tar", ".tbz", ".tbz2", ".tgz", ".txz", ".whl", ".xz", ".z", ".zip", ".zst"),
)
# Of gzip, zip, bzip2, xz, 7-Zip, Zstandard, RAR, ar (deb) and RPM
BEGINNINGS = (
    *(b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd", b"Rar!", b"!<arch>"),
    b"\xed\xab\xee",
)

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="needs git and a clone"
)


def git(folder: Path, *arguments: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # in a hook: GIT_DIR
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=env).stdout


def is_archive(file: Path) -> bool:
    if file.name.lower().endswith(ENDINGS):
        return True
    return file.is_file() and file.read_bytes()[:8].startswith(BEGINNINGS)


def test_no_archive_is_tracked_but_the_practice_set_and_an_old_runs_outputs() -> None:
    tracked = git(ROOT, "ls-files", "-z").split("\0")[:-1]
    assert {name for name in tracked if is_archive(ROOT / name)} == PRACTICE | OLD_RUN


def test_a_checkout_for_windows_changes_no_byte(tmp_path: Path) -> None:
    """As in a clone with core.autocrlf=true that is used from WSL, where a script with CRLF does not start."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "core.autocrlf", "true")
    names = (".gitattributes", "run.sh", "pyproject.toml", "benchmarks/frontier.png", "kaggle_mnist/__init__.py")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "add", *names)
    for name in names:
        (tmp_path / name).unlink()
    git(tmp_path, "checkout", "--", *names)
    assert all((tmp_path / name).read_bytes() == (ROOT / name).read_bytes() for name in names)
