"""A small part of `./run.sh bench faults`: the real program in a real process, and what happens to its run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("resource", reason="the harness forks and sets resource limits")

from tests.harness import faults
from tests.harness.faults import Laboratory

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAGGLE_MNIST_CACHE", "")  # restored after the laboratory has set its own
        yield Laboratory(tmp_path_factory.mktemp("lab"), seed=1)


def test_a_run_that_is_killed_ends_with_the_same_bytes(lab: Laboratory) -> None:
    found = faults.kills(lab, 4)
    assert sum(found.values()) == 4
    assert all("same bytes" in outcome for outcome in found)


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (faults.large_files, 1),
        (faults.vanished_folder, 1),
        pytest.param(faults.little_memory, 1, marks=pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")),
        (faults.damaged_files, 2),
        (faults.at_once, 1),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_fault_gives_one_clear_line_and_loses_nothing(lab: Laboratory, fault: faults.Fault, times: int) -> None:
    found = fault(lab, times)
    assert found
    bad = [outcome for outcome in found if outcome.split(":", 1)[0].isupper() or "OTHER BYTES" in outcome]
    assert not bad, found


def test_a_failed_write_gives_one_clear_line_and_loses_nothing(lab: Laboratory) -> None:
    for n in range(3, lab.writes, lab.writes // 3):
        outcome = faults.failing_write(lab, n)
        assert "same bytes in the end" in outcome, outcome
