"""Widths of a table's columns."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def share(table: Table, spare: int, screen: Console) -> None:
    """Set the columns' widths: the least that each takes, and `spare` shared out to the narrowest that can use it.

    Rich alone takes room even from columns that are at their least, and crops the last ones.
    """
    widths, most = [], []
    for column in table.columns:
        cells = (column.header, *column.cells, *((column.footer,) if table.show_footer else ()))
        sizes = [screen.measure(cell) for cell in cells]
        widths.append(max(column.min_width or 0, *(size.minimum for size in sizes)))
        most.append(max(widths[-1], *(size.maximum for size in sizes)))
    for _ in range(spare):
        growing = [(width, number) for number, width in enumerate(widths) if width < most[number]]
        if not growing:
            break
        widths[min(growing)[1]] += 1
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
