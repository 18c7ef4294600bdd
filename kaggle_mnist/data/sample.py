"""`sample_submission.csv`, which decides the header and the ids of a submission."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kaggle_mnist.data.digits import SUBMISSION, Digits
from kaggle_mnist.data.places import StoredFile
from kaggle_mnist.utils.dialect import encoding_of, is_blank, separator_of
from kaggle_mnist.utils.errors import BadData, one_line
from kaggle_mnist.utils.words import plural

MAX_BYTES = 16 << 20  # the competition's has 0.2 MB
MAX_NAME = 60  # characters of a column's name


@dataclass(frozen=True)
class Sample:
    """The names of a submission's two columns, and its ids in order, int64 ``(m,)``."""

    file: StoredFile
    header: tuple[str, str]
    ids: NDArray[np.int64]


def read_sample(file: StoredFile) -> Sample:
    r"""Read a `sample_submission.csv`.

    Raises BadData, naming the row, if it has not two columns of which the first has different whole numbers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "sample_submission.csv").write_text("id,label\n0,0\n1,0\n")
    ...     sample = read_sample(StoredFile(Path(folder, "sample_submission.csv")))
    >>> sample.header, sample.ids.tolist()
    (('id', 'label'), [0, 1])
    """
    with file.open() as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise BadData(f"{file}: is too large; a sample submission has less than 1 MB")
    text = content.decode(encoding_of(content), "replace").removeprefix("\ufeff")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text.partition("\n")[0]))
    row_of: dict[int, int] = {}
    last = 0  # row read
    try:
        header = [name.strip() for name in next(rows, [])]
        last = rows.line_num
        if len(header) != 2 or not all(map(_is_name, header)) or all(map(str.isdigit, header)):
            raise BadData(f"{file}, row 1: must have two names, such as {','.join(SUBMISSION)}; download it again")
        for row in rows:
            last = rows.line_num
            if is_blank(row):
                continue
            text = row[0].strip()
            if not (text.isascii() and text.isdigit() and len(text) < 10):
                shown = f"{header[0]} is {text[:20]!r}; it must be a whole number (or remove the file)"
                raise BadData(f"{file}, row {rows.line_num}: {shown}")
            if int(text) in row_of:
                first = row_of[int(text)]
                raise BadData(f"{file}, row {rows.line_num}: {header[0]} {text} is already in row {first}")
            row_of[int(text)] = rows.line_num
    except csv.Error as error:
        raise BadData(f"{file}, row {last + 1}: is not valid CSV ({error}); download it again") from error
    return Sample(file, (header[0], header[1]), np.array(list(row_of), np.int64))


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and name == one_line(name) and not set(name) & set(',;"\t')


def with_ids(digits: Digits, ids: NDArray[np.int64] | None, sample: Sample | None, *, of: str) -> Digits:
    """The digits with the header and ids of their submission.

    Parameters
    ----------
    digits : with ids 1 to m
    ids : those that the test images have in their own file, in order; None if they have none
    sample : the sample submission; None if there is none
    of : the file of the test images, for messages

    Raises BadData if the ids are not those of the sample, or not different ones.
    """
    count = len(digits.test_images)
    if sample is not None:
        if len(sample.ids) != count:
            raise BadData(
                f"{sample.file}: has {plural(len(sample.ids), 'id')}, but {of} has {plural(count, 'image')};"
                " put the file there that belongs to them, or remove it"
            )
        if ids is None:
            ids = sample.ids
        elif other := set(ids.tolist()) ^ set(sample.ids.tolist()):
            raise BadData(f"{sample.file}: has other ids than {of}, such as {min(other)}; download both again")
        digits = replace(digits, header=sample.header)
    if ids is None:
        return digits
    values, times = np.unique(ids, return_counts=True)
    if len(values) < count:
        raise BadData(f"{of}: has the id {values[times > 1][0]} more than once; download it again")
    return replace(digits, ids=None if np.array_equal(ids, digits.test_ids) else ids)
