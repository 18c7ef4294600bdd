"""A few inputs for every reader of `./run.sh bench fuzz`, chosen by Hypothesis; and what the fuzzer would notice."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaggle_mnist.utils.errors import UserError

pytest.importorskip("resource", reason="the watch sets resource limits")

from tests.harness.fuzz import SampleFolder
from tests.harness.readers import Reader, all_readers

READERS = {reader.name: reader for reader in all_readers()}
SLOW = {"csv-full", "report", "compare"}  # only in ./run.sh bench fuzz


@pytest.mark.parametrize("name", [name for name in READERS if name not in SLOW])
def test_a_mutated_file_gives_a_result_or_one_clear_line(name: str) -> None:
    reader, place = READERS[name], SampleFolder(Path("input"))

    @settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def reads(seed: int) -> None:
        rng = Random(seed)
        write_mutated(place, reader, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                reader.read(place.folder)
            except UserError as error:
                assert str(error).isprintable()
                assert 0 < len(str(error)) < 2000

    reads()


def write_mutated(place: SampleFolder, reader: Reader, rng: Random) -> None:
    """Write a mutated sample; if its file names are impossible, the first valid one."""
    try:
        place.write(reader.mutate(rng, rng.choice(reader.seeds), rng.choice(reader.seeds)))
    except (OSError, ValueError):
        place.folder.rename(tempfile.mkdtemp(dir="."))
        place.__init__(place.folder)  # type: ignore[misc]
        place.write(reader.seeds[0])


WATCHED = """
import os, pickle, socket, subprocess, sys, time, warnings
from pathlib import Path
from tests.harness import watch
from tests.harness.archives import PICKLES
from kaggle_mnist.utils.errors import BadData, UserError

def raises(error):
    raise error

readers = {
    "valid": lambda folder: (folder / "x").write_bytes(b"x"),
    "refused": lambda folder: raises(BadData("file: what is wrong; what to do")),
    "ValueError": lambda folder: raises(ValueError("x")),
    "writes": lambda folder: (folder.parent / "elsewhere").write_bytes(b"x"),
    "os.remove": lambda folder: (folder.parent / "elsewhere").unlink(),
    "pickle.find_class": lambda folder: pickle.loads(PICKLES[0]),
    "subprocess.Popen": lambda folder: subprocess.run(["true"]),
    "os.system": lambda folder: os.system("true"),
    "socket.": lambda folder: socket.socket().close(),
    "executes code": lambda folder: exec("1"),
    "warning UserWarning": lambda folder: warnings.warn("x"),
    "3,000 characters": lambda folder: raises(type("Long", (UserError,), {"__str__": lambda self: "x" * 3000})("")),
    "unprintable": lambda folder: raises(type("Two", (UserError,), {"__str__": lambda self: "a\\nb"})("")),
    "hang": lambda folder: time.sleep(60),
    "memory": lambda folder: bytearray(b"x") * (80 << 20),
}
watch.MEMORY = 60 << 20
watcher = watch.Watch(Path(sys.argv[1]))
watcher.begin()
for expected, read in readers.items():
    watch.SECONDS = 1 if expected == "hang" else 100
    outcome = watcher.outcome(read, Path(sys.argv[1]), trace=True)
    print(expected, "|", outcome.kind, outcome.what)
"""


def test_the_watch_notices_what_no_reader_may_do(tmp_path: Path) -> None:
    """In a separate process: audit hooks cannot be removed."""
    (tmp_path / "own").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WATCHED, f"{tmp_path / 'own'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600, env=environment)
    lines = [line.split(" | ") for line in done.stdout.splitlines()]
    assert len(lines) == 15
    for expected, found in lines:
        assert found.startswith(expected if expected in ("valid", "refused") else "finding")
        assert expected in found
