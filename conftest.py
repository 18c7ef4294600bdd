"""Isolation for tests and docstring examples: a temporary folder, and one thread."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: networks this small do not profit from a second thread

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_cache_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's cache, input/ and submissions/."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("KAGGLE_MNIST_CACHE", str(tmp_path / "cache"))
