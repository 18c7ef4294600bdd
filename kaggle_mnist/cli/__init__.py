"""The command line: options in, one call down, a table out. Whatever is slow to import is imported by its command."""

from kaggle_mnist.cli import digits, kaggle, report, runs, training  # noqa: F401  the commands add themselves
from kaggle_mnist.cli.app import app

__all__ = ["app"]
