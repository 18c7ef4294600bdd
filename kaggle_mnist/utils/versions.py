"""What a run's bytes depend on besides the recipe, the digits and the device."""

from __future__ import annotations

import platform
from importlib.metadata import version

PACKAGES = ("kaggle-mnist", "torch", "numpy", "pandas", "scikit-learn", "pillow")


def versions() -> dict[str, str | int]:
    """The platform, Python and the packages that decide a run's bytes."""
    packages = {package: version(package) for package in PACKAGES}
    return {"platform": platform.platform(), "python": platform.python_version(), **packages}
