"""A terminal whose content tests can read."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from kaggle_mnist.cli import console
from kaggle_mnist.cli.screens import differences, digits, search, training


def screen(monkeypatch: pytest.MonkeyPatch, *, width: int = 80, terminal: bool = False) -> io.StringIO:
    """What the screens print from now on, without colors."""
    text = io.StringIO()
    replacement = Console(
        file=text, force_terminal=terminal, width=width, soft_wrap=True, highlight=False, color_system=None
    )
    for module in (console, differences, digits, search, training):
        monkeypatch.setattr(module, "console", replacement)
    return text
