"""Hostile inputs for every reader: each must give a valid result or one clear error.

    ./run.sh bench fuzz [READER …] [--inputs N] [--seed N] [--save DIR]

Every reader gets its share of N inputs (a million by default); slow readers get few. They are made from valid files of
real digits by changes that keep the structure: valid checksums and lengths, cells replaced by malformed numbers. An
input that reaches a new line of Python is kept, and others are made from it.

A finding is: an exception other than UserError; a message that is not one printable line of at most 2,000 characters; a
warning; an invalid result; more than 10 seconds; more than 2 GB; a file opened for writing outside the reader's own
folder; a process, a socket, an unpickled object or executed code, as reported by Python's audit hooks. Each kind is
printed once, with the place where it was raised, and the input that caused it is saved.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.harness.readers import Reader, all_readers
from tests.harness.samples import FOLDER, LINK, Sample
from tests.harness.watch import SECONDS, Watch, peak, work_folder

KEPT = 400  # samples to mutate
TRACED = 10  # one input in this many is traced line by line
STUCK = 3 * SECONDS  # until a reader that hangs outside Python is killed


class SampleFolder:
    """A folder with one sample at a time."""

    def __init__(self, folder: Path):
        self.folder, self.sample = folder, Sample()
        folder.mkdir()

    def write(self, sample: Sample) -> None:
        """Write what differs from the last sample. Raises OSError or ValueError for impossible file names."""
        new = [path for path in sample if self.sample.get(path) != sample[path]]
        odd = any(content.startswith((LINK, FOLDER)) for content in (*self.sample.values(), *sample.values()))
        if odd or not self.sample.keys() <= sample.keys():
            shutil.rmtree(self.folder)  # files disappear, or are links or folders: start over
            self.folder.mkdir()
            new = list(sample)
        self.sample = Sample()  # unknown if the following fails
        for path in new:
            self._write_file(self.folder / path, sample[path])
        self.sample = sample

    def _write_file(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent != self.folder and not path.parent.resolve().is_relative_to(self.folder.resolve()):
            raise OSError("a link leads out of the folder")
        if content.startswith(LINK):
            path.symlink_to(os.fsdecode(content.removeprefix(LINK)))
        elif content == FOLDER:
            path.mkdir()
        else:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW)
            os.write(handle, content)
            os.close(handle)


def fuzz(reader: Reader, inputs: int, seed: int, save: Path) -> dict[str, object]:
    """Run a reader on its inputs, and return its row of the table."""
    work = work_folder()
    os.environ["KAGGLE_MNIST_CACHE"] = f"{work / 'cache'}"
    tempfile.tempdir = f"{work}"
    place, watch, rng = SampleFolder(work / "in"), Watch(work), Random(f"{reader.name} {seed}")
    kept, reached = list(reader.seeds), set[tuple[str, int]]()
    largest = 3 * max(sum(map(len, sample.values())) for sample in reader.seeds) + 500
    kinds, findings = Counter[str](), Counter[str]()
    for sample in (reader.seeds[0], *reader.seeds):  # the first time, it imports modules lazily
        place.write(sample)
        started_input = time.perf_counter()
        reader.read(place.folder)
        quick = time.perf_counter() - started_input < 0.1
        empty(work / "cache/digits")
    faulthandler.enable()
    watch.begin()
    base, slowest, armed, started = peak(), 0.0, 0.0, time.perf_counter()
    for sample in samples(reader, kept, rng):
        if (number := kinds.total()) == inputs:
            break
        try:
            place.write(sample)
        except (OSError, ValueError):  # changes that conflict, as a file in place of a folder: try another
            shutil.rmtree(place.folder)
            place = SampleFolder(work / "in")
            continue
        started_input = time.perf_counter()
        if started_input > armed + 1:
            faulthandler.dump_traceback_later(STUCK, exit=True)
            armed = started_input
        outcome = watch.outcome(reader.read, place.folder, trace=quick and number % TRACED == 0)
        slowest = max(slowest, time.perf_counter() - started_input)
        kinds[outcome.kind] += 1
        if outcome.kind == "valid":
            empty(work / "cache/digits")
        if not outcome.reached <= reached:
            reached |= outcome.reached
            if sum(map(len, sample.values())) <= largest:  # or inputs would grow without limit
                kept.append(sample)
            if len(kept) > KEPT:
                del kept[len(reader.seeds) + rng.randrange(KEPT - len(reader.seeds))]
        if outcome.kind == "finding":
            keep_finding(reader, outcome.what, sample, findings, save)
    faulthandler.cancel_dump_traceback_later()
    seconds = time.perf_counter() - started
    shutil.rmtree(work)
    return {
        "reader": reader.name,
        "inputs": inputs,
        "valid": kinds["valid"],
        "refused": kinds["refused"],
        "findings": kinds["finding"],
        "inputs/s": round(inputs / seconds),
        "slowest": slowest,
        "peak": (peak() - base) >> 20,
        "lines": len(reached),
        "seconds": seconds,
    }


def samples(reader: Reader, kept: list[Sample], rng: Random) -> Iterator[Sample]:
    """Endless mutated samples; recently kept ones are mutated more often."""
    while True:
        newest = rng.random() < 0.3
        chosen = kept[-1 - int(rng.random() * min(len(kept), 20))] if newest else kept[int(rng.random() * len(kept))]
        yield reader.mutate(rng, chosen, kept[int(rng.random() * len(kept))])


def keep_finding(reader: Reader, what: str, sample: Sample, findings: Counter[str], save: Path) -> None:
    """Print a new kind of finding, and save its input."""
    kind = " ".join(what.split(":")[0:2])[:80]
    findings[kind] += 1
    if findings[kind] > 1 or len(findings) > 40:
        return
    place = SampleFolder(save / f"{reader.name}-{len(findings)}")
    place.write(sample)
    print(f"{reader.name}: {what}\n  input: {place.folder}", file=sys.stderr)


def empty(folder: Path) -> None:
    """Delete the files in a folder, if it exists."""
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink()


def run_alone(reader: Reader, inputs: int, seed: int, save: Path) -> dict[str, object]:
    """`fuzz` in a separate process with its own limits; being killed is a finding too."""
    options = ["--inputs", f"{inputs}", "--seed", f"{seed}", "--save", f"{save}", "--alone"]
    command = [sys.executable, "-m", "tests.harness.fuzz", reader.name, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{reader.name}: the process ended with {done.returncode}", file=sys.stderr)
        return {"reader": reader.name, "inputs": inputs, "findings": f"ended with {done.returncode}"}
    row: dict[str, object] = json.loads(done.stdout)
    return row


def main() -> None:
    readers = {reader.name: reader for reader in all_readers()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(readers))
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="folder for inputs that cause findings")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.readers) - set(readers):
        parser.error(f"no such reader: {', '.join(sorted(unknown))}; there are {', '.join(readers)}")
    chosen = [readers[name] for name in options.readers] or list(readers.values())
    save = options.save or Path(tempfile.mkdtemp(prefix="fuzz-findings-"))
    save.mkdir(parents=True, exist_ok=True)
    if options.alone:
        print(json.dumps(fuzz(chosen[0], options.inputs, options.seed, save)))
        return
    shares = sum(reader.share for reader in chosen)
    rows = [
        run_alone(reader, math.ceil(options.inputs * reader.share / shares), options.seed, save) for reader in chosen
    ]
    show(rows, save)


def show(rows: list[dict[str, object]], save: Path) -> None:
    """Print the table; remove the folder of findings if it is empty."""
    import pandas as pd

    table = pd.DataFrame(rows)
    total = table.sum(numeric_only=True)
    print(
        table.to_string(
            index=False,
            formatters={"slowest": "{:.2f} s".format, "peak": "{:.0f} MB".format, "seconds": "{:.0f}".format},
        )
    )
    print(f"{int(total['inputs']):,} inputs in {total['seconds']:.0f} s")
    if not any(save.iterdir()):
        save.rmdir()


if __name__ == "__main__":
    main()
