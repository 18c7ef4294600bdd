"""The command line: each command parses its options, makes one call and prints. Slow imports are inside commands."""

from kaggle_mnist.cli import digits, export, kaggle, report, runs, search, training  # noqa: F401  registers the commands
from kaggle_mnist.cli.app import app

__all__ = ["app"]
