"""The parents of a blend, as they were when it was blended."""

from __future__ import annotations

from kaggle_mnist.runs.run import Run, read_run
from kaggle_mnist.utils.errors import BadRun
from kaggle_mnist.utils.files import SUMS, sha256_of


def parents_of(blend: Run) -> list[tuple[float, Run]]:
    """The parents of a blend with their weights, from the folder that it is in.

    Raises
    ------
    BadRun
        A parent is missing, has changed since, or cannot be read, or the run has no parents.
    """
    if not blend.record.parents:
        raise BadRun(f"{blend.path / 'run.json'}: has neither a recipe nor parents; this run cannot predict")
    parents = []
    for parent in blend.record.parents:
        path = blend.path.parent / parent.run
        try:
            same = sha256_of(path / SUMS) == parent.sha256
        except OSError as error:
            raise BadRun(f"{path}: missing, but the blend {blend.name} needs it; restore it or blend again") from error
        if not same:
            raise BadRun(f"{path}: has changed since {blend.name} was blended from it; blend again")
        parents.append((parent.weight, read_run(path)))
    return parents
