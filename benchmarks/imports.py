"""The import graph of a package folder: modules, levels, arrows between folders, and cycles.

    ./run.sh bench imports [PATH]

PATH is a package folder, by default this repository's. Its files are parsed, not imported. *Levels* is the number of
modules on the longest chain of module-level imports; *all imports* counts those inside functions too. An *arrow* is an
import, at any level, from one folder or top-level module to another. Imports under TYPE_CHECKING do not count.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "kaggle_mnist"

Graph = dict[str, set[str]]  # what each node imports; every node is a key


@dataclass(frozen=True)
class Import:
    """A module of the package, or a name in it, that `importer` imports. `name` is empty for a module."""

    importer: str
    module: str
    name: str
    line: int
    top_level: bool


@dataclass(frozen=True)
class Package:
    """The modules of a package, by dotted name, and the imports among them."""

    name: str
    files: dict[str, Path]
    imports: list[Import] = field(default_factory=list)

    def graph(self, *, top_level: bool = False) -> Graph:
        """Which modules each module imports; with `top_level`, only as it is itself imported."""
        edges: Graph = {module: set() for module in self.files}
        for entry in self.imports:
            if entry.module != entry.importer and (entry.top_level or not top_level):
                edges[entry.importer].add(entry.module)
        return edges

    def folder_of(self, module: str) -> str:
        """The top-level folder or module that contains `module`; the package's own name for its ``__init__``."""
        parts = module.split(".")
        return parts[1] if len(parts) > 1 else self.name

    def folder_graph(self) -> Graph:
        """Which folders and top-level modules each of them imports; the package's ``__init__`` is none of them."""
        edges: Graph = {self.folder_of(module): set() for module in self.files if module != self.name}
        for entry in self.imports:
            importer, imported = self.folder_of(entry.importer), self.folder_of(entry.module)
            if len({importer, imported, self.name}) == 3:
                edges[importer].add(imported)
        return edges


def read_package(folder: Path) -> Package:
    """Parse every Python file below `folder`, which is the package's own folder."""
    folder = folder.resolve()
    files = {}
    for path in sorted(folder.rglob("*.py")):
        parts = (folder.name, *path.relative_to(folder).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    package = Package(folder.name, files)
    for module, path in files.items():
        for node, top_level in _imports_in(ast.parse(path.read_text(encoding="utf-8"), path)):
            package.imports.extend(_resolve(package, module, node, top_level))
    return package


def _imports_in(node: ast.AST, top_level: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Import statements below `node` that run, and whether they run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, top_level
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield from _imports_in(ast.Module([other], []), top_level)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports_in(child, top_level and not inside)


def _resolve(package: Package, importer: str, node: ast.Import | ast.ImportFrom, top_level: bool) -> Iterator[Import]:
    """The modules of the package that a statement imports: the module named, or the one that has the name."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name in package.files:
                yield Import(importer, alias.name, "", node.lineno, top_level)
        return
    source = node.module or ""
    if node.level:
        parent = importer if package.files[importer].name == "__init__.py" else importer.rpartition(".")[0]
        for _ in range(node.level - 1):
            parent = parent.rpartition(".")[0]
        source = f"{parent}.{source}".rstrip(".")
    for alias in node.names:
        if f"{source}.{alias.name}" in package.files:
            yield Import(importer, f"{source}.{alias.name}", "", node.lineno, top_level)
        elif source in package.files:
            yield Import(importer, source, alias.name, node.lineno, top_level)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node, each sorted.

    >>> cycles({"a": {"b"}, "b": {"a"}, "c": {"a"}})
    [['a', 'b']]
    """
    reached = {node: _reachable(graph, node) for node in graph}
    components = {frozenset(other for other in reached[node] if node in reached[other]) for node in graph}
    return sorted(sorted(component) for component in components if len(component) > 1)


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Everything that `start` imports, directly or not."""
    found, queue = set[str](), [start]
    while queue:
        for node in graph[queue.pop()] - found:
            found.add(node)
            queue.append(node)
    return found


def levels(graph: Mapping[str, set[str]]) -> int:
    """Nodes on the longest chain of imports; a cycle counts as its number of nodes.

    >>> levels({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    3
    """
    component = {node: frozenset([node]) for node in graph}
    component |= {node: frozenset(group) for group in cycles(graph) for node in group}
    below: dict[frozenset[str], set[frozenset[str]]] = defaultdict(set)
    for node, imported in graph.items():
        below[component[node]] |= {component[other] for other in imported} - {component[node]}
    lengths: dict[frozenset[str], int] = {}

    def length(group: frozenset[str]) -> int:
        if group not in lengths:
            lengths[group] = len(group) + max(map(length, below[group]), default=0)
        return lengths[group]

    return max(map(length, component.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", type=Path, default=PACKAGE)
    path = parser.parse_args().path
    if not any(path.glob("*.py")):
        parser.error(f"{path}: no Python files; name a package folder")
    package = read_package(path)
    folders = package.folder_graph()
    rows = {
        "modules": len(package.files),
        "levels": levels(package.graph(top_level=True)),
        "levels, all imports": levels(package.graph()),
        "levels of folders, all imports": levels(folders),
        "folders and top-level modules": len(folders),
        "arrows between them": sum(map(len, folders.values())),
    }
    for what, number in rows.items():
        print(f"{what:30} {number:4}")
    for what, graph in (("modules", package.graph()), ("folders", folders)):
        found = cycles(graph)
        print(f"{'cycles among ' + what:30} {len(found):4}")
        for cycle in found:
            print(f"    {', '.join(cycle)}")


if __name__ == "__main__":
    main()
