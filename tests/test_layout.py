"""The layout of the package: what may import what, and how large a file may grow."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from imports import PACKAGE, Package, cycles, levels, read_package


@pytest.fixture(scope="module")
def package() -> Package:
    return read_package(PACKAGE)


def test_no_folders_import_each_other_in_a_cycle(package: Package) -> None:
    assert cycles(package.folder_graph()) == []


def test_no_module_imports_another_folders_underscore_names(package: Package) -> None:
    private = [
        f"{entry.importer}:{entry.line} imports {entry.module}.{entry.name}"
        for entry in package.imports
        if package.folder_of(entry.importer) != package.folder_of(entry.module)
        and re.search(r"(^|\.)_(?!_)", f"{entry.module}.{entry.name}")
    ]
    assert private == []


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [("training", {"runs", "cli", "report", "kaggle"}), ("runs", {"training", "cli", "report"})],
)
def test_a_folder_does_not_know_of_those_above_it(package: Package, folder: str, forbidden: set[str]) -> None:
    assert package.folder_graph()[folder] & forbidden == set()


def test_only_models_mentions_a_kind_of_network(package: Package) -> None:
    mentions = [
        module
        for module, path in package.files.items()
        if package.folder_of(module) != "models"
        and re.search(r"StackedMLP|models[./ ](import )?mlp\b", path.read_text())
    ]
    assert mentions == []
    importers = {entry.importer for entry in package.imports if entry.module == "kaggle_mnist.models.mlp"}
    assert importers <= {"kaggle_mnist.models.registry"}


def test_every_folder_says_what_it_contains(package: Package) -> None:
    silent = [
        module
        for module, path in package.files.items()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_file_is_over_300_lines() -> None:
    suffixes = {".py", ".js", ".css", ".j2", ".toml"}
    lines = {path: path.read_text().count("\n") for path in PACKAGE.rglob("*") if path.suffix in suffixes}
    assert {f"{path.relative_to(PACKAGE)}": count for path, count in lines.items() if count > 300} == {}


def write_package(folder: Path, **files: str) -> Package:
    """Read a package with these modules; a double underscore in a name separates folder and module."""
    for name, content in {"__init__": "", **files}.items():
        path = folder / "package" / f"{name if name == '__init__' else name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return read_package(folder / "package")


def test_imports_are_found_wherever_they_are_but_not_for_type_checking(tmp_path: Path) -> None:
    package = write_package(
        tmp_path,
        a="import package.b\ndef f():\n    from package.sub import c",
        b="import typing as t\nif t.TYPE_CHECKING:\n    from package import a\nelse:\n    import package.sub.d",
        sub__c="from . import d\nfrom .d import _x",
        sub__d="import os",
    )
    assert package.graph() == {
        "package": set(),
        "package.a": {"package.b", "package.sub.c"},
        "package.b": {"package.sub.d"},
        "package.sub.c": {"package.sub.d"},
        "package.sub.d": set(),
    }
    assert package.graph(top_level=True)["package.a"] == {"package.b"}
    assert package.folder_graph() == {"a": {"b", "sub"}, "b": {"sub"}, "sub": set()}
    assert levels(package.graph(top_level=True)) == 3


def test_cycles_among_modules_and_folders_are_found(tmp_path: Path) -> None:
    package = write_package(
        tmp_path,
        a="from package.x import b",
        x__b="def f():\n    import package.y.c",
        y__c="import package.a",
        d="import package.a",
    )
    assert cycles(package.graph()) == [["package.a", "package.x.b", "package.y.c"]]
    assert cycles(package.folder_graph()) == [["a", "x", "y"]]
    assert cycles(package.graph(top_level=True)) == []
