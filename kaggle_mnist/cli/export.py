"""The command that writes a run for other programs: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaggle_mnist.cli.app import NamedRun, Output, app


@app.command()
def export(
    run: NamedRun,
    file: Annotated[Path, typer.Argument(help="ONNX file to write.", metavar="FILE.onnx")],
    output: Output = Path("submissions"),
) -> None:
    """Write a run as one ONNX graph, from images to outputs."""
    from kaggle_mnist.cli import console
    from kaggle_mnist.export import export_onnx

    exported = export_onnx(run, file, output=output)
    console.say("Run", exported.name)
    console.say("Model", f"{file}, {file.stat().st_size / 1e6:.1f} MB")
    console.say("", "images: uint8 (n, 28, 28), 0 background to 255 ink")
    console.say("", "outputs: float32 (n, 10), one for each digit, from 0 to 1")
