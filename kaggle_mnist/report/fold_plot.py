"""The picture of `compare --plot`: the fold accuracies of runs, one line per run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from kaggle_mnist.utils.errors import OutputError
from kaggle_mnist.utils.files import WRITER, refuse_foreign, write_atomic

KINDS = ("png", "svg", "pdf")


def plot_folds(runs: Sequence[tuple[str, Sequence[float]]], path: Path) -> None:
    """Plot every fold's accuracy, and the mean of each run.

    Parameters
    ----------
    runs : name and fold accuracies of each, from 0 to 1
    path : a PNG, SVG or PDF file, by its extension

    Raises
    ------
    OutputError
        The file cannot be written, has another extension, or was not written by kaggle-mnist.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     plot_folds([("A", [0.994, 0.996])], Path(folder) / "folds.svg")
    ...     (Path(folder) / "folds.svg").read_text().startswith("<?xml")
    True
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    kind = check_plot(path)
    with mpl.rc_context({"svg.hashsalt": "kaggle-mnist"}):
        figure = Figure(figsize=(8, 1.2 + 0.45 * len(runs)), layout="constrained")
        axes = figure.subplots()
        for y, (_, folds) in enumerate(runs):
            axes.plot(folds, [y] * len(folds), "o", color="#2563eb", alpha=0.6)
            axes.plot(mean(folds), y, "|", color="black", markersize=22)
        axes.set_yticks(range(len(runs)), [name.replace("$", r"\$") for name, _ in runs])
        axes.set(xlabel="accuracy on the held-out fold (line: mean)", ylim=(len(runs) - 0.5, -0.5))
        axes.grid(axis="x", alpha=0.3)
        buffer = io.BytesIO()
        metadata = {"Software" if kind == "png" else "Creator": WRITER}
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def check_plot(path: Path) -> str:
    """The file type, lower case, without the dot. Raises OutputError."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in KINDS:
        raise OutputError(f"{path}: must end in .png, .svg or .pdf")
    refuse_foreign(path)
    return kind
