"""Charts as inline SVG: drawn by matplotlib, in colours that follow the page's light or dark scheme."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Placeholder colours, each replaced in the SVG by a variable of the page's style sheet.
INK, MUTED, LINE, ACCENT = "#010203", "#010204", "#010205", "#010206"
STYLE_OF = {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)", ACCENT: "var(--accent)"}
WIDTH, HEIGHT = 5.2, 2.8  # inches of 72 units; a phone shows a unit as about one CSS pixel
FONT = 11  # units; the style sheet sets the same size for phones, and a smaller one where a chart is shown larger
RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": FONT,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": FONT,
    "lines.solid_capstyle": "round",
}


@contextmanager
def new_chart(salt: str, height: float = HEIGHT) -> Iterator[tuple[Figure, Axes]]:
    """A transparent figure and its axes, `height` inches high; equal `salt` and content give equal bytes."""
    with rc_context({**RC, "svg.hashsalt": salt}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        yield figure, axes


def to_svg(figure: Figure, description: str) -> str:
    """The figure as an `<svg>` element without date, size and fonts, and with only those ids that are referred to."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    unwanted = r'<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->|font-(?:family|size):[^;"]*;\s*'
    svg = re.sub(unwanted, "", svg, flags=re.DOTALL)
    referred = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in referred else "", svg)
    view = re.search(r'viewBox="[^"]+"', svg)
    opening = f'<svg class="chart" role="img" aria-label="{description}" {view[0] if view else ""}'
    svg = re.sub(r"^<svg[^>]*>", f"{opening}>", svg)
    return re.sub("|".join(STYLE_OF), lambda found: STYLE_OF[found[0]], re.sub(r"\s*\n\s*", "\n", svg))
