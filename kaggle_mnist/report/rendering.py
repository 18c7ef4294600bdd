"""Pages from templates: one self-contained HTML file each."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kaggle_mnist.utils.files import WRITER


def render(template: str, *, writer: str = WRITER, **parts: Any) -> bytes:
    """Fill in a template of `templates/`; text is escaped, invalid Unicode replaced.

    The page begins with `start_of(writer)`.

    >>> render("base.html.j2", columns=1, sprite="").startswith(start_of(WRITER))
    True
    """
    loader = PackageLoader("kaggle_mnist.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )

    def source(name: str) -> Markup:
        return Markup(loader.get_source(environment, name)[0])

    page = environment.get_template(template).render(**parts, source=source, writer=writer)
    return page.encode("utf-8", "replace")  # a folder name or Kaggle's message may have invalid Unicode


def start_of(writer: str) -> bytes:
    """The first bytes of a page that names its writer, by which our own pages are known."""
    return f'<!doctype html>\n<html lang="en">\n<head>\n<meta name="generator" content="{writer}">'.encode()
