"""Seconds to `--help`, and to load the digits from every source, compared with plain pandas or Pillow.

    ./run.sh bench loading [--repeats N]

Every load is a separate process, timed inside it from the call to the digits in memory, without starting Python and
importing; *first* is with an empty cache, *again* with the cache that it left. Rivals take turns. The files have just
been written, so the operating system still has them in memory. The JPG files have quality 75, Pillow's default.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from peak import show, summary
from sources import write_images

from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.sources import load_digits

OURS = """
import sys, time
from kaggle_mnist.data.sources import load_digits
start = time.perf_counter()
assert len(load_digits(sys.argv[1]).train_images) == 42_000
print(time.perf_counter() - start)
"""
PANDAS = """
import sys, time, zipfile
import numpy as np, pandas as pd
start = time.perf_counter()
archive = zipfile.ZipFile(sys.argv[1]) if sys.argv[1].endswith(".zip") else None
names = ("train.csv", "test.csv")
train, test = (pd.read_csv(archive.open(name) if archive else f"{sys.argv[1]}/{name}") for name in names)
arrays = train.drop(columns="label").to_numpy(np.uint8), train.label.to_numpy(), test.to_numpy(np.uint8)
print(time.perf_counter() - start)
"""
PILLOW = """
import sys, time
from pathlib import Path
import numpy as np
from PIL import Image
start = time.perf_counter()
images = np.stack([np.asarray(Image.open(path)) for path in sorted(Path(sys.argv[1]).glob("**/*.jpg"))])
print(time.perf_counter() - start)
"""


def seconds_of(program: str, where: str | Path) -> float:
    """The seconds that a program measured and printed."""
    done = subprocess.run([sys.executable, "-c", program, str(where)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def seconds_to_run(command: Sequence[str]) -> float:
    """A command's seconds from start to exit."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    rows: list[dict[str, object]] = []

    def in_turns(what: str, jobs: dict[str, Callable[[], float]]) -> None:
        rounds = [[job() for job in jobs.values()] for _ in range(repeats)]
        for how, seconds in zip(jobs, zip(*rounds, strict=True), strict=True):
            rows.append({"what": what, "how": how, **summary(list(seconds))})

    in_turns(
        "--help",
        {
            "kaggle-mnist": partial(seconds_to_run, [sys.executable, "-m", "kaggle_mnist", "--help"]),
            "python -c 'import torch'": partial(seconds_to_run, [sys.executable, "-c", "import torch"]),
        },
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "cache"
        os.environ["KAGGLE_MNIST_CACHE"] = str(cache)
        practice = load_digits("practice")
        export_csv(practice, folder / "csv")
        with zipfile.ZipFile(folder / "digits.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in (folder / "csv").iterdir():
                archive.write(file, file.name)
        write_images(practice, folder / "jpg", ".jpg")

        def first(where: Path) -> float:
            shutil.rmtree(cache, ignore_errors=True)
            return seconds_of(OURS, where)

        in_turns("practice set", {"ours": partial(seconds_of, OURS, "practice")})
        for what, where, plain, program in (
            ("CSV", folder / "csv", "plain pandas", PANDAS),
            ("zip", folder / "digits.zip", "plain pandas", PANDAS),
            ("70,000 JPG files", folder / "jpg", "plain Pillow loop", PILLOW),
        ):
            in_turns(
                what,
                {
                    "ours, first": partial(first, where),
                    "ours, again": partial(seconds_of, OURS, where),
                    plain: partial(seconds_of, program, where),
                },
            )
    show(rows)


if __name__ == "__main__":
    main()
