"""Where no digits are found: files that may have them in a form that is not read, and folders that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from kaggle_mnist.data.csv_files import ZIPPED, role_of
from kaggle_mnist.data.places import Place
from kaggle_mnist.utils.errors import BadData
from kaggle_mnist.utils.formats import EXTRACT

CONVERT = "save its images as train.csv (label,pixel0,…,pixel783) and test.csv"
RENAME = (".txt", ".tsv", ".data")  # text that is a CSV but for its name
ENDINGS = {
    r"\.(tar(\.\w+)?|tgz|7z|rar)": f"is an archive that is not read; {EXTRACT}",
    r"\.(xz|bz2|zst|lzma|lz4)": f"is compressed in a way that is not read; {EXTRACT}",
    r"\.(xlsx?|ods)": "is a spreadsheet; save it as CSV",
    r"\bworkbook\.xml": "is part of an Excel workbook; save that as CSV",
    r"\.(parquet|feather|arff|npz|npy|pkl|mat|h5)(\.gz)?": f"is in a form that is not read; {CONVERT}",
    r"idx[13]-ubyte(\.gz)?": f"is in the format IDX, which is not read; {CONVERT}",
    r"\.(crdownload|part|partial|download)": "is an unfinished download; download it again",
}


def unread(places: Sequence[Place], missing: Collection[str] = ()) -> str | None:
    """Say which file or folder may be a half that is missing, or any, and what to do with it; None for none.

    Parameters
    ----------
    places : the folders that were searched, on disk and inside zips
    missing : names of halves, such as `train.csv`; empty for both

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "train.csv.xz").write_bytes(b"")
    ...     found = unread([Place(Path(folder))], ["train.csv"])
    >>> found.partition("train.csv.xz: ")[2]
    'is compressed in a way that is not read; extract it'
    """
    for place in places:
        of_zip = None if place.tree is None else _half(place.path.name)
        for name in place.names.files:
            half = _half(name)
            if (not missing or (half or of_zip) in missing) and (problem := _problem(place, name, half)):
                return f"{place.file(name)}: {problem}"
    for folder in [place.folder(name) for place in places for name in place.names.folders]:
        try:
            _ = folder.names
        except BadData as error:
            return f"{error}"
    return None


def _half(name: str) -> str | None:
    """The half that a file's name, without its endings, says it is, such as `mnist_train.csv`."""
    role = role_of(f"{name.partition('.')[0]}.csv")
    return role and "".join(role)


def _problem(place: Place, name: str, half: str | None) -> str | None:
    if place.tree is not None and ZIPPED.fullmatch(name):
        return "is a zip inside a zip; extract both"
    if half and name.lower().endswith(RENAME):
        return f"is not named as a CSV file; rename it to {half}"
    return next((problem for end, problem in ENDINGS.items() if re.search(rf"{end}\Z", name, re.IGNORECASE)), None)
