"""What happens to a run when the machine fails: killed, out of space, out of memory, damaged, started twice.

    ./run.sh bench faults [FAULT …] [--times N] [--seed N]

Every trial runs the real program in a process forked from one that has imported it, on 1,500 labeled and 300 unlabeled
digits as CSV files. *Same bytes* means that submission, outputs, members and history end up identical to those of an
undisturbed run: after `resume` if the run had started, otherwise after `train`.
Writes fail through Python's audit hooks: the n-th time that the program opens a file for writing, or renames, removes
or creates something, the hook raises an error. With the right to mount, a full disk is also a real one (tmpfs).
"""

from __future__ import annotations

import argparse
import errno
import mmap
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import matplotlib.backends.backend_svg
import matplotlib.figure
import pandas as pd

from kaggle_mnist import pipeline
from kaggle_mnist.cli import app
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.data.practice import load_practice
from kaggle_mnist.report import charts
from kaggle_mnist.report import page as report
from kaggle_mnist.runs import checkpoint, listing, unfinished
from kaggle_mnist.runs.finding import find_run, list_runs
from kaggle_mnist.utils import errors

assert matplotlib.backends.backend_svg and charts and report and listing  # imported before the fork, as all a run needs

SAME = ("submission.csv", "outputs.npz", "members.safetensors", "history.csv")
RECIPE = ["--folds", "3", "--epochs", "8", "--set", "hidden=[64]", "--set", "batch_size=50", "--set", "views=1"]
TRAIN = ["train", "--input", "digits", "--output", "runs", *RECIPE]
RESUME = ["resume", "--output", "runs"]
WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
NO_LIMITS: dict[str, int] = {}
Hook = Callable[[int], None]  # called with the number of each write, from 1
Fault = Callable[["Laboratory", int], "Counter[str]"]  # runs that many trials; returns the outcomes


class Trial:
    """A folder with digits, and the program running there."""

    def __init__(self, folder: Path, digits: Path):
        self.folder, self.digits = folder, digits
        folder.mkdir()
        (folder / "digits").symlink_to(digits)

    def run(self, arguments: list[str], hook: Hook | None = None, **limits: int) -> tuple[int, str]:
        """Exit status (negative: the signal) and stderr."""
        child = self.start(arguments, hook, limits=limits)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), self.stderr()

    def start(
        self, arguments: list[str], hook: Hook | None = None, err: str = "err", limits: Mapping[str, int] = NO_LIMITS
    ) -> int:
        """Start the program in a fork, with stderr in the file `err`; the process id."""
        sys.stdout.flush()
        if child := os.fork():
            return child
        status = 1
        try:
            os.chdir(self.folder)
            for number, name in ((1, "out"), (2, err)):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for name, most in limits.items():
                resource.setrlimit(getattr(resource, name), (most, resource.getrlimit(getattr(resource, name))[1]))
            if hook is not None:
                _count_writes(hook)
            checkpoint.PRICE = 0  # as many writes in every trial, however fast the machine is
            app(arguments, standalone_mode=True, prog_name="kaggle-mnist")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1 if end.code else 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def stderr(self, err: str = "err") -> str:
        """What the program wrote to stderr."""
        return (self.folder / err).read_text(errors="replace")

    def finish(self) -> Path:
        """Resume the interrupted run, or start one if there is none; the folder of the finished run."""
        output = self.folder / "runs"
        arguments = RESUME if unfinished.unfinished_runs(output) else TRAIN
        if arguments == RESUME or not list_runs(output):
            status, said = self.run(arguments)
            assert status == 0, said
        return find_run(None, output).path


def _kill_at(write: int) -> Hook:
    """A hook that kills its own process at that write."""

    def kill(n: int) -> None:
        if n == write:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _count_writes(hook: Hook) -> None:
    """Call `hook` before every write of this process."""
    count, in_hook = 0, False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count, in_hook
        if in_hook:
            return
        if event == "open":
            path, _, flags = arguments
            wanted = isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not wanted or str(path).startswith(("/dev/", "/proc/")):
                return
        elif event not in WRITES:
            return
        count, in_hook = count + 1, True
        try:
            hook(count)
        finally:
            in_hook = False

    sys.addaudithook(watch)


class Laboratory:
    """The digits, and an undisturbed run to compare with."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.random, self.number = folder, random.Random(seed), 0
        os.environ["KAGGLE_MNIST_CACHE"] = str(folder / "cache")
        whole = load_practice()
        few = replace(
            whole,
            train_images=whole.train_images[:1500],
            train_labels=whole.train_labels[:1500],
            test_images=whole.test_images[:300],
        )
        export_csv(few, folder / "digits")
        trial, counted = self.trial(), mmap.mmap(-1, 4)  # shared with the fork
        started = time.monotonic()
        status, said = trial.run(TRAIN, lambda n: counted.__setitem__(slice(4), n.to_bytes(4)))
        assert status == 0, said
        self.seconds = time.monotonic() - started
        self.writes = int.from_bytes(counted[:])
        self.whole = find_run(None, trial.folder / "runs").path

    def trial(self) -> Trial:
        """A new trial in its own folder."""
        self.number += 1
        return Trial(self.folder / f"{self.number}", self.folder / "digits")

    def same(self, run: Path) -> bool:
        """Whether a run is intact and has the bytes of the undisturbed one."""
        try:
            find_run(str(run), run.parent).verify()
        except errors.BadRun:
            return False
        return all((run / name).read_bytes() == (self.whole / name).read_bytes() for name in SAME)


def kills(lab: Laboratory, times: int) -> Counter[str]:
    """SIGKILL, half at random times and half at random writes; then resume."""
    found: Counter[str] = Counter()
    for i in range(times):
        trial = lab.trial()
        if i % 2:
            at = lab.random.randint(1, lab.writes)
            trial.run(TRAIN, _kill_at(at))
        else:
            child = trial.start(TRAIN)
            time.sleep(lab.random.uniform(0, lab.seconds))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        interrupted = unfinished.unfinished_runs(trial.folder / "runs")
        done = list_runs(trial.folder / "runs")
        if done:
            when = "after it finished"
        elif interrupted:
            when = "after a checkpoint" if unfinished.progress_of(interrupted[0])[0] else "before its first checkpoint"
        else:
            when = "before it started"
        found[f"killed {when}: {'same bytes' if lab.same(trial.finish()) else 'OTHER BYTES'}"] += 1
    return found


def failing_writes(lab: Laboratory, times: int) -> Counter[str]:
    """Each write fails in turn, with every later one: disk full, read-only, permission denied, file too large."""
    return Counter(failing_write(lab, n) for n in range(1, min(times, lab.writes) + 1))


def failing_write(lab: Laboratory, n: int) -> str:
    """The outcome if the `n`-th write and all later ones fail."""
    trial = lab.trial()
    earlier = _add_earlier_run(lab, trial)
    kind = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EFBIG)[n % 4]

    def fails(count: int) -> None:
        if count >= n:
            raise OSError(kind, os.strerror(kind), "somewhere")

    return _outcome(lab, trial, *trial.run(TRAIN, fails), earlier)


def full_disk(lab: Laboratory, times: int) -> Counter[str]:
    """A file system of random size (tmpfs) fills up, and is then enlarged."""
    found: Counter[str] = Counter()
    for _ in range(times):
        trial = lab.trial()
        (trial.folder / "runs").mkdir()
        size = lab.random.randint(8, 1200)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(trial.folder / "runs")]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            return Counter({"skipped: needs the right to mount": 1})
        try:
            status, said = trial.run(TRAIN)
            subprocess.run([*command[:3], "-o", "remount,size=64m", *command[-1:]], check=True)
            found[_outcome(lab, trial, status, said, None)] += 1
        finally:
            subprocess.run(["umount", str(trial.folder / "runs")], check=True)
    return found


def large_files(lab: Laboratory, times: int) -> Counter[str]:
    """A random limit on the size of files (ulimit -f)."""
    found: Counter[str] = Counter()
    for _ in range(times):
        trial = lab.trial()
        earlier = _add_earlier_run(lab, trial)
        status, said = trial.run(TRAIN, RLIMIT_FSIZE=lab.random.randint(0, 1_000_000))
        found[_outcome(lab, trial, status, said, earlier)] += 1
    return found


def vanished_folder(lab: Laboratory, times: int) -> Counter[str]:
    """The output folder is removed at a random write."""
    found: Counter[str] = Counter()
    for _ in range(times):
        trial, at = lab.trial(), lab.random.randint(1, lab.writes)
        vanished = False

        def vanish(n: int, trial: Trial = trial, at: int = at) -> None:
            nonlocal vanished
            if n == at and not vanished:
                vanished = True
                subprocess.run(["rm", "-rf", str(trial.folder / "runs")], check=True)

        status, said = trial.run(TRAIN, vanish)
        found[_outcome(lab, trial, status, said, None)] += 1
    return found


def little_memory(lab: Laboratory, times: int) -> Counter[str]:
    """A random limit on memory (ulimit -v) above what the imports need."""
    found: Counter[str] = Counter()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for _ in range(times):
        trial = lab.trial()
        status, said = trial.run(TRAIN, RLIMIT_AS=size + lab.random.randint(0, 200 << 20))
        found[_outcome(lab, trial, status, said, None, memory=True)] += 1
    return found


def damaged_files(lab: Laboratory, times: int) -> Counter[str]:
    """Every file of a finished and an unfinished run, truncated at random or with a random bit flipped."""
    found: Counter[str] = Counter()
    trial = lab.trial()
    trial.run(TRAIN, _kill_at(lab.writes * 2 // 3))
    [interrupted] = unfinished.unfinished_runs(trial.folder / "runs")
    sealed = [interrupted / "checkpoint" / line.split("  ")[1] for line in _sums(interrupted / "checkpoint")]
    sealed.append(interrupted / "checkpoint" / "SHA256SUMS")
    for file in [lab.whole / "SHA256SUMS", *(lab.whole / line.split("  ")[1] for line in _sums(lab.whole)), *sealed]:
        content = file.read_bytes()
        for _ in range(times):
            at = lab.random.randrange(len(content))
            flipped = content[:at] + bytes([content[at] ^ 1 << lab.random.randrange(8)]) + content[at + 1 :]
            file.write_bytes(content[:at] if lab.random.random() < 0.5 else flipped)
            try:
                if file in sealed:
                    pipeline.resume(str(interrupted), output=interrupted.parent, input=lab.folder / "digits")
                else:
                    find_run(str(lab.whole), lab.whole.parent).verify()
                found["USED SILENTLY"] += 1
            except errors.BadRun as error:
                named = file.name in str(error) or file.name == "SHA256SUMS"  # names the file whose sum is wrong
                found["noticed and named" if named else f"WRONG: {error}"] += 1
            file.write_bytes(content)
    found["same bytes after the damage was undone" if lab.same(trial.finish()) else "OTHER BYTES"] += 1
    return found


def at_once(lab: Laboratory, times: int) -> Counter[str]:
    """Two or four runs started at the same time in the same folder; two resumes of the same run."""
    found: Counter[str] = Counter()
    for i in range(times):
        trial, number = lab.trial(), (2, 4)[i % 2]
        children = [trial.start(TRAIN) for _ in range(number)]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        runs = list_runs(trial.folder / "runs")
        same = all(lab.same(find_run(str(run), run).path) for run in runs)
        good = same and statuses == [0] * number and len(runs) == number
        found[f"{number} runs: each its own folder, same bytes" if good else f"WRONG: {number} runs, {statuses}"] += 1

        trial = lab.trial()
        at = lab.writes // 2
        trial.run(TRAIN, _kill_at(at))
        first = trial.start(RESUME)
        second = trial.start(RESUME, err="err2")
        statuses = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in (first, second))
        said = trial.stderr() + trial.stderr("err2")
        good = (
            statuses == [0, 2]
            and said.count("\n") == 1
            and any(words in said for words in ("another process", "no unfinished run", "nothing to resume"))
        )
        good = good and lab.same(find_run(None, trial.folder / "runs").path)
        found[
            "two resumes: one finishes with the same bytes, one refuses" if good else f"WRONG: {statuses}, {said}"
        ] += 1
    return found


def closed_output(lab: Laboratory, times: int) -> Counter[str]:
    """The output piped into `head`, and the terminal closed (SIGHUP)."""
    found: Counter[str] = Counter()
    program = [sys.executable, "-m", "kaggle_mnist"]
    for _ in range(times):
        trial = lab.trial()
        for command in (["recipes"], ["--help"], ["compare", "--output", str(lab.whole.parent), "--json"], TRAIN):
            head = subprocess.Popen(["head", "-c", "1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            done = subprocess.run(
                [*program, *command],
                stdout=head.stdin,
                stderr=subprocess.PIPE,
                text=True,
                cwd=trial.folder,
                check=False,
            )
            head.communicate()
            clean = "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
            found[f"{command[0]} | head: {'no traceback' if clean else done.stderr[-200:]}"] += 1
        trial = lab.trial()
        child = trial.start(TRAIN)
        time.sleep(lab.random.uniform(0, lab.seconds))
        os.kill(child, signal.SIGHUP)
        os.waitpid(child, 0)
        quiet = "no traceback" if "Traceback" not in trial.stderr() else trial.stderr()[-200:]
        same = "same bytes" if lab.same(trial.finish()) else "OTHER BYTES"
        found[f"terminal closed: {quiet}, {same}"] += 1
    return found


def _sums(folder: Path) -> list[str]:
    return (folder / "SHA256SUMS").read_text().splitlines()


def _add_earlier_run(lab: Laboratory, trial: Trial) -> Path:
    """Copy a finished run into the trial; nothing may change it."""
    return Path(shutil.copytree(lab.whole, trial.folder / "runs" / "20200101-000000-earlier"))


def _outcome(
    lab: Laboratory, trial: Trial, status: int, said: str, earlier: Path | None, *, memory: bool = False
) -> str:
    """The outcome of a trial in words; in capitals if it must not happen."""
    lines = said.splitlines()
    if "Traceback" in said or status < 0:
        return f"TRACEBACK: {' / '.join(lines[-2:])}" if status >= 0 else f"ENDED BY SIGNAL {-status}"
    if earlier is not None:
        if not lab.same(earlier):
            return "EARLIER RUN DAMAGED"
        shutil.rmtree(earlier)
    output = trial.folder / "runs"
    for run in list_runs(output):
        if not lab.same(find_run(str(run), output).path):
            return "INCOMPLETE BUT LOOKS FINISHED"
    ours = [line for line in lines if line.startswith("kaggle-mnist: ")]
    if status == 0:
        how = "finished anyway"
    elif len(ours) == 1 and len(lines) == 1 and (status == 2 or memory):
        how = "one clear line"
    else:
        return f"STATUS {status}: {' / '.join(lines)[-300:]}"
    return f"{how}; {'same bytes' if lab.same(trial.finish()) else 'OTHER BYTES'} in the end"


FAULTS: dict[str, tuple[Fault, int]] = {
    "kills": (kills, 100),
    "failing writes": (failing_writes, 1000),
    "full disk": (full_disk, 20),
    "large files": (large_files, 10),
    "vanished folder": (vanished_folder, 10),
    "little memory": (little_memory, 20),
    "damaged files": (damaged_files, 20),
    "at once": (at_once, 4),
    "closed output": (closed_output, 2),
}


@contextmanager
def laboratory(seed: int = 0) -> Iterator[Laboratory]:
    """A laboratory in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield Laboratory(Path(folder), seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", help=f"any of: {', '.join(FAULTS)}; all by default")
    parser.add_argument("--times", type=int, help="trials of each; by default, each fault's own number")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if unknown := set(arguments.faults) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(unknown)}")
    rows: list[dict[str, object]] = []
    with laboratory(arguments.seed) as lab:
        print(f"An undisturbed run makes {lab.writes} writes in {lab.seconds:.1f} s", flush=True)
        for name in arguments.faults or FAULTS:
            job, times = FAULTS[name]
            found = job(lab, arguments.times or times)
            rows += [{"fault": name, "outcome": outcome, "times": count} for outcome, count in sorted(found.items())]
            print(pd.DataFrame(rows[-len(found) :]).to_string(index=False, header=False), flush=True)


if __name__ == "__main__":
    main()
