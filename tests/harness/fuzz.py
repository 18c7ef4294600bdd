"""Hostile inputs for every reader: each must give a valid result or one clear error.

    ./run.sh bench fuzz [READER …] [--inputs N] [--seed N] [--save DIR]

Of N inputs (a million unless told) every reader gets its share; a reader that is slow gets few. They are made from
valid files, of real digits, by changes that keep the structure: checksums put right, lengths told as they are, cells
replaced by numbers that are none. An input that reaches a line of Python that none reached before is kept, and others
are made from it.

A finding is: an exception other than UserError; a message that is not one printable line of at most 2,000 signs; a
warning; a result that is none; more than 10 seconds; more than 2 GB; a file opened for writing outside the reader's
own folder; a process, a socket, an unpickled object or executed code, of which Python's audit hooks tell. Each kind is
printed once, with the place where it was raised, and the input that caused it is kept.
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

KEPT = 400  # samples from which others are made
TRACED = 10  # one input in so many is followed line by line
STUCK = 3 * SECONDS  # until a reader that does not come back to Python is ended


class Place:
    """A folder that holds one sample at a time."""

    def __init__(self, folder: Path):
        self.folder, self.holds = folder, Sample()
        folder.mkdir()

    def hold(self, sample: Sample) -> None:
        """Write what differs from the last sample. Raises OSError or ValueError for names that cannot be."""
        new = [path for path in sample if self.holds.get(path) != sample[path]]
        odd = any(content.startswith((LINK, FOLDER)) for content in (*self.holds.values(), *sample.values()))
        if odd or not self.holds.keys() <= sample.keys():
            shutil.rmtree(self.folder)  # something goes, or is no file: begin anew
            self.folder.mkdir()
            new = list(sample)
        self.holds = Sample()  # if the following fails, nothing is known
        for path in new:
            self._write(self.folder / path, sample[path])
        self.holds = sample

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent != self.folder and not path.parent.resolve().is_relative_to(self.folder.resolve()):
            raise OSError("by a link, this would be written elsewhere")
        if content.startswith(LINK):
            path.symlink_to(os.fsdecode(content.removeprefix(LINK)))
        elif content == FOLDER:
            path.mkdir()
        else:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW)
            os.write(handle, content)
            os.close(handle)


def fuzz(reader: Reader, inputs: int, seed: int, save: Path) -> dict[str, object]:
    """Give a reader its inputs, and a row of the table."""
    work = work_folder()
    os.environ["KAGGLE_MNIST_CACHE"] = f"{work / 'cache'}"
    tempfile.tempdir = f"{work}"
    place, watch, rng = Place(work / "in"), Watch(work), Random(f"{reader.name} {seed}")
    kept, reached = list(reader.seeds), set[tuple[str, int]]()
    largest = 3 * max(sum(map(len, sample.values())) for sample in reader.seeds) + 500
    kinds, findings = Counter[str](), Counter[str]()
    for sample in (reader.seeds[0], *reader.seeds):  # the first time, it imports what is imported late
        place.hold(sample)
        begun = time.perf_counter()
        reader.read(place.folder)
        quick = time.perf_counter() - begun < 0.1
        empty(work / "cache/digits")
    faulthandler.enable()
    watch.begin()
    base, slowest, armed, started = peak(), 0.0, 0.0, time.perf_counter()
    for sample in samples(reader, kept, rng):
        if (number := kinds.total()) == inputs:
            break
        try:
            place.hold(sample)
        except (OSError, ValueError):  # two changes at odds, as a file where a folder is to be; another in its place
            shutil.rmtree(place.folder)
            place = Place(work / "in")
            continue
        begun = time.perf_counter()
        if begun > armed + 1:
            faulthandler.dump_traceback_later(STUCK, exit=True)
            armed = begun
        outcome = watch.outcome(reader.read, place.folder, trace=quick and number % TRACED == 0)
        slowest = max(slowest, time.perf_counter() - begun)
        kinds[outcome.kind] += 1
        if outcome.kind == "valid":
            empty(work / "cache/digits")
        if not outcome.reached <= reached:
            reached |= outcome.reached
            if sum(map(len, sample.values())) <= largest:  # or each would be longer than the last
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
    """Changed samples without end; the latest of those kept are taken more often."""
    while True:
        newest = rng.random() < 0.3
        chosen = kept[-1 - int(rng.random() * min(len(kept), 20))] if newest else kept[int(rng.random() * len(kept))]
        yield reader.mutate(rng, chosen, kept[int(rng.random() * len(kept))])


def keep_finding(reader: Reader, what: str, sample: Sample, findings: Counter[str], save: Path) -> None:
    """Print a kind of finding that is new, and write its input."""
    kind = " ".join(what.split(":")[0:2])[:80]
    findings[kind] += 1
    if findings[kind] > 1 or len(findings) > 40:
        return
    place = Place(save / f"{reader.name}-{len(findings)}")
    place.hold(sample)
    print(f"{reader.name}: {what}\n  input: {place.folder}", file=sys.stderr)


def empty(folder: Path) -> None:
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink()


def run_alone(reader: Reader, inputs: int, seed: int, save: Path) -> dict[str, object]:
    """`fuzz` in a process of its own: its bounds are its own, and if it is killed, that is a finding too."""
    command = [
        sys.executable,
        "-m",
        "tests.harness.fuzz",
        reader.name,
        "--inputs",
        f"{inputs}",
        "--seed",
        f"{seed}",
        "--save",
        f"{save}",
        "--alone",
    ]
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
    parser.add_argument("--save", type=Path, help="where inputs that are findings go")
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
