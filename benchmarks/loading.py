"""Seconds until there is something: `--help`, and the digits of every source, beside the plain pandas or Pillow way.

    ./run.sh bench loading [--repeats N]

Every load is a process of its own, timed inside it from the call to the digits in memory, without Python's start and
imports; *first* is with an empty cache of ours, *again* with what that left. What is compared takes turns. The files
have just been written, so the operating system still has them in memory. The JPG files are of quality 75, Pillow's
default.
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
place = zipfile.ZipFile(sys.argv[1]) if sys.argv[1].endswith(".zip") else None
names = ("train.csv", "test.csv")
train, test = (pd.read_csv(place.open(name) if place else f"{sys.argv[1]}/{name}") for name in names)
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
    """What the program prints: how long it took."""
    done = subprocess.run([sys.executable, "-c", program, str(where)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def whole(command: Sequence[str]) -> float:
    """A command's seconds from start to end."""
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
            "kaggle-mnist": lambda: whole([sys.executable, "-m", "kaggle_mnist", "--help"]),
            "python -c 'import torch'": lambda: whole([sys.executable, "-c", "import torch"]),
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

        in_turns("practice set", {"ours": lambda: seconds_of(OURS, "practice")})
        for what, where, plain, program in (
            ("CSV", folder / "csv", "plain pandas", PANDAS),
            ("zip", folder / "digits.zip", "plain pandas", PANDAS),
            ("70,000 JPG files", folder / "jpg", "plain Pillow loop", PILLOW),
        ):
            in_turns(
                what,
                {
                    "ours, first": lambda where=where: first(where),
                    "ours, again": lambda where=where: seconds_of(OURS, where),
                    plain: lambda where=where, program=program: seconds_of(program, where),
                },
            )
    show(rows)


if __name__ == "__main__":
    main()
