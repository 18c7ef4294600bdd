"""The command that writes a run's page: report."""

from __future__ import annotations

from pathlib import Path

from kaggle_mnist.cli.app import Input, Output, RunArgument, app


@app.command()
def report(run: RunArgument = None, input: Input = None, output: Output = Path("submissions")) -> None:
    """Write a run's report.html. Where its digits are not found, a page that exists is kept."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.report.page import write_report
    from kaggle_mnist.runs.finding import find_run

    missing: list[str] = []
    with console.Watcher() as progress:
        path = write_report(find_run(run, output), input=input, on_missing=missing.append, progress=progress)
    console.say("Report", f"{path}{', without images of digits' if missing else ''}")
    for reason in missing:
        console.say("Note", reason)
