"""A library's prints are suppressed, other threads' are not, and the streams are restored."""

from __future__ import annotations

import sys
import threading

import pytest

from kaggle_mnist.utils.silence import silence


def test_prints_are_suppressed_inside_the_block_only(capsys: pytest.CaptureFixture[str]) -> None:
    streams = sys.stdout, sys.stderr
    with pytest.raises(ValueError, match="theirs"), silence():
        print("suppressed")
        sys.stderr.writelines(["suppressed", "suppressed"])
        with silence():
            print("suppressed")
        print("suppressed")
        raise ValueError("theirs")
    assert (sys.stdout, sys.stderr) == streams
    print("shown")
    assert capsys.readouterr() == ("shown\n", "")


def test_other_threads_still_print(capsys: pytest.CaptureFixture[str]) -> None:
    with silence():
        other = threading.Thread(target=print, args=("shown",))
        other.start()
        other.join()
    assert capsys.readouterr().out == "shown\n"


def test_overlapping_calls_restore_the_streams(capsys: pytest.CaptureFixture[str]) -> None:
    """The first to start is the first to end; if each restored what it found, the second would restore the first's."""
    streams = sys.stdout, sys.stderr
    started, may_end = threading.Event(), threading.Event()

    def second() -> None:
        with silence():
            started.set()
            may_end.wait(10)
            print("suppressed")

    thread = threading.Thread(target=second)
    with silence():
        thread.start()
        started.wait(10)
    print("shown")
    may_end.set()
    thread.join()
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr().out == "shown\n"
