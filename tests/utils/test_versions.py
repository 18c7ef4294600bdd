from __future__ import annotations

import platform
from importlib.metadata import version

from kaggle_mnist.utils.versions import versions


def test_the_versions_of_python_and_of_the_numerical_packages_are_recorded() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert {name: found[name] for name in ("torch", "numpy")} == {name: version(name) for name in ("torch", "numpy")}
