"""The software versions that a run's exact bytes depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version

PACKAGES = ("kaggle-mnist", "torch", "numpy", "pandas", "scikit-learn", "pillow")


def versions() -> dict[str, str | int]:
    """Return the versions of the platform, of Python and of every package in `PACKAGES`, by name.

    Examples
    --------
    >>> import numpy
    >>> versions()["numpy"] == numpy.__version__
    True
    """
    packages = {package: version(package) for package in PACKAGES}
    return {"platform": platform.platform(), "python": platform.python_version(), **packages}
