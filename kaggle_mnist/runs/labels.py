"""A run's name, note and tags, which its user may change: `labels.json` in its folder, not among the checksums."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from kaggle_mnist.recipes.recipe import did_you_mean, shown_value
from kaggle_mnist.runs.names import LABELS, LATEST, MAX_LABELS, NAME
from kaggle_mnist.runs.record import Strict
from kaggle_mnist.utils.errors import BadOption, BadRun, OutputError
from kaggle_mnist.utils.files import write_atomic
from kaggle_mnist.utils.reading import read_bounded

MAX_NOTE, MAX_TAGS = 500, 20
RULES = {
    "name": f"at most 60 letters, digits, '.', '_' or '-', first a letter or digit, and not {LATEST}",
    "note": f"one line of at most {MAX_NOTE} characters",
    "tags": f"at most {MAX_TAGS} tags, each of at most 40 letters, digits, '.', '_' or '-'",
}


def _is_free(name: str) -> str:
    if name == LATEST or len(name.encode()) > 180:  # a folder's name has at most 255 bytes, date and time included
        raise ValueError
    return name


def _is_printable(note: str) -> str:
    if not note.isprintable():
        raise ValueError
    return note


class Labels(Strict):
    """What a user calls a run, and notes of it.

    >>> Labels(name="wide", tags=("good",)).note
    ''
    """

    name: Annotated[str, Field(pattern=NAME), AfterValidator(_is_free)] | None = None
    note: Annotated[str, Field(max_length=MAX_NOTE), AfterValidator(_is_printable)] = ""
    tags: tuple[Annotated[str, Field(pattern=r"^[\w.-]{1,40}$")], ...] = Field((), max_length=MAX_TAGS)

    def name_beside(self, folder: str) -> str:
        """The name, to be shown beside that of the run's folder; empty if that ends with it.

        >>> Labels(name="wide").name_beside("20261124-200000-mlp"), Labels(name="wide").name_beside("20261124-wide")
        ('wide', '')
        """
        return "" if self.name is None or folder.endswith(f"-{self.name}") else self.name


def labels_from(
    name: str | None = None,
    note: str | None = None,
    tag: Sequence[str] = (),
    untag: Sequence[str] = (),
    *,
    before: Labels | None = None,
) -> Labels:
    """The labels with these changes; an empty name or note takes it away.

    Parameters
    ----------
    name, note : None for what they were
    tag, untag : tags to add and to take away
    before : none if None

    Raises
    ------
    BadOption
        A value that cannot be one, or a tag to take away that is not there.

    Examples
    --------
    >>> labels_from(name="wide", tag=["good"]).tags
    ('good',)
    >>> labels_from(note="x" * 501)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    kaggle_mnist.utils.errors.BadOption: --note ...: must be one line of at most 500 characters
    """
    before = before or Labels()
    for word in untag:
        if word not in before.tags:
            raise BadOption(f"--untag {word}: the run has no such tag{did_you_mean(word, before.tags)}")
    tags = tuple(dict.fromkeys(word for word in (*before.tags, *tag) if word not in untag))
    fields = {
        "name": before.name if name is None else name or None,
        "note": before.note if note is None else note,
        "tags": tags,
    }
    try:
        return Labels.model_validate(fields)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        given = shown_value(", ".join(tag) if field == "tags" else fields[field])
        raise BadOption(f"--{field.removesuffix('s')} {given}: must be {RULES[field]}") from error


def read_labels(run: Path) -> Labels:
    """The labels of the run in a folder; empty if it was given none. Raises BadRun if they cannot be read."""
    file = run / LABELS
    try:
        return Labels.model_validate_json(read_bounded(file, MAX_LABELS))
    except FileNotFoundError:
        return Labels()
    except (OSError, ValueError) as error:
        raise BadRun(f"{file}: cannot be read; move it away to go without name, note and tags") from error


def write_labels(run: Path, labels: Labels) -> None:
    """Write the labels of the run in a folder; without any, there is no file. Raises OutputError."""
    try:
        if labels == Labels():
            (run / LABELS).unlink(missing_ok=True)
            return
        write_atomic(run / LABELS, labels.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise OutputError(f"{run / LABELS}: cannot be written ({error.strerror})") from error
