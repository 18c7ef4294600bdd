"""The cache folder may be any folder, so only our own old entries are ever removed."""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path

import pytest

from kaggle_mnist.data import cache
from kaggle_mnist.data.cache import cached
from kaggle_mnist.data.digits import Digits
from tests.conftest import same_digits

HASH = "0123456789abcdef" * 4
OLD = time.time() - 30 * 24 * 3600


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder in KAGGLE_MNIST_CACHE."""
    folder = Path("named").absolute()
    folder.mkdir()
    monkeypatch.setenv("KAGGLE_MNIST_CACHE", str(folder))
    return folder


def write_old(file: Path, content: bytes = b"precious") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, (OLD, OLD))
    return file


def fill(digits: Digits, entries: int = cache.KEPT + 3) -> None:
    """Cache more data sets than are kept, each from a different file."""
    for number in range(entries):
        source = Path(f"source-{number}")
        source.write_bytes(b"x")
        assert same_digits(cached([source], lambda: digits, path="x"), digits)


def test_the_users_files_in_the_cache_folder_are_kept(named: Path, handful: Digits) -> None:
    foreign = [write_old(named / f"arrays-{i}.npz") for i in range(7)]
    foreign.append(write_old(named / f"{HASH}.npz"))
    fill(handful)
    assert all(file.read_bytes() == b"precious" for file in foreign)
    assert sorted(path.name for path in named.iterdir() if path.is_dir()) == ["digits"]


def test_foreign_files_among_our_entries_are_kept(named: Path, handful: Digits) -> None:
    names = ["mine.npz", f"{HASH[:-1]}.npz", f"{HASH.upper()}.npz", f"{HASH}.npz.bak", f"copy-{HASH}.npz", "mine.part"]
    foreign = [write_old(named / "digits" / name) for name in names]
    (named / "digits" / f"{HASH}.npz").mkdir()
    fill(handful)
    assert all(file.read_bytes() == b"precious" for file in foreign)
    assert (named / "digits" / f"{HASH}.npz").is_dir()


def test_only_the_newest_entries_are_kept(named: Path, handful: Digits) -> None:
    oldest = write_old(named / "digits" / f"{HASH}.npz")
    fill(handful)
    assert not oldest.exists()
    assert len(list((named / "digits").iterdir())) == cache.KEPT


def test_the_oldest_entry_goes_however_long_it_takes_to_look_at_all(
    named: Path, handful: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [write_old(named / "digits" / f"{HASH[:-1]}{number}.npz") for number in range(cache.KEPT)]
    for number, entry in enumerate(entries):
        os.utime(entry, (OLD + number, OLD + number))
    clock = itertools.count(time.time(), 1000)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    fill(handful, 1)
    assert [entry.exists() for entry in entries] == [False, *[True] * (cache.KEPT - 1)]


def test_a_partial_file_is_removed_once_it_is_stale(named: Path, handful: Digits) -> None:
    stale = write_old(named / "digits" / f"{HASH}.abcd1234.part")
    fresh = named / "digits" / f"{HASH}.wxyz6789.part"
    fresh.write_bytes(b"half")
    fill(handful, 1)
    assert not stale.exists()
    assert fresh.exists()


def test_a_failed_write_leaves_no_partial_file(named: Path, handful: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    fill(handful, 1)
    assert list((named / "digits").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")
def test_nothing_is_removed_through_a_link(named: Path, handful: Digits) -> None:
    target = write_old(Path("elsewhere") / f"{HASH}.npz")
    (named / "digits").symlink_to(target.parent.absolute())
    fill(handful)
    assert [file.name for file in target.parent.iterdir()] == [target.name]
    (named / "digits").unlink()
    (named / "digits").mkdir()
    link = named / "digits" / target.name
    link.symlink_to(target.absolute())
    fill(handful)
    assert link.is_symlink()
    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("place", ["named", "named/digits"])
def test_a_folder_that_cannot_be_written_does_no_harm(named: Path, place: str, handful: Digits) -> None:
    named.rmdir()
    write_old(Path(place), b"a file where the folder belongs")
    fill(handful, 2)
