"""A library's prints are dropped, other threads' are not, and the streams are put back."""

from __future__ import annotations

import sys
import threading

import pytest

from kaggle_mnist.utils.silence import silence


def test_prints_are_dropped_within_and_appear_after(capsys: pytest.CaptureFixture[str]) -> None:
    streams = sys.stdout, sys.stderr
    with pytest.raises(ValueError, match="theirs"), silence():
        print("dropped")
        sys.stderr.writelines(["dropped", "dropped"])
        with silence():
            print("dropped")
        print("dropped")
        raise ValueError("theirs")
    assert (sys.stdout, sys.stderr) == streams
    print("shown")
    assert capsys.readouterr() == ("shown\n", "")


def test_another_thread_prints_on(capsys: pytest.CaptureFixture[str]) -> None:
    with silence():
        other = threading.Thread(target=print, args=("shown",))
        other.start()
        other.join()
    assert capsys.readouterr().out == "shown\n"


def test_calls_that_overlap_put_the_streams_back(capsys: pytest.CaptureFixture[str]) -> None:
    """The first to begin is the first to end: put back by each alone, the second's would stay."""
    streams = sys.stdout, sys.stderr
    began, may_end = threading.Event(), threading.Event()

    def second() -> None:
        with silence():
            began.set()
            may_end.wait(10)
            print("dropped")

    thread = threading.Thread(target=second)
    with silence():
        thread.start()
        began.wait(10)
    print("shown")
    may_end.set()
    thread.join()
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr().out == "shown\n"
