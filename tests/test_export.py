"""A run as one ONNX graph, computed by onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kaggle_mnist import pipeline
from kaggle_mnist.blend import blend_runs
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.export import HEADER, export_onnx
from kaggle_mnist.predict import run_outputs
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.utils.errors import BadRun, MissingPackage, OutputError
from kaggle_mnist.utils.files import refuse_foreign
from tests.cli.invoke import invoke

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def computed(file: str, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    [outputs] = onnxruntime.InferenceSession(file).run(None, {"images": images})
    assert outputs.dtype == np.float32
    return np.asarray(outputs)


def test_the_graph_of_a_blend_gives_the_outputs_of_the_blend(submissions: Path, few: Digits) -> None:
    a, b, _ = list_runs(submissions)
    blend = blend_runs([a.name, b.name], submissions, weights="fit")
    done = invoke("export", "latest", "models/blend.onnx")
    assert done.exit_code == 0, done.output
    assert f"Run          {blend.name}\nModel        models/blend.onnx, 1.0 MB\n" in done.stdout
    np.testing.assert_allclose(computed("models/blend.onnx", few.test_images), blend.outputs().test, atol=1e-4)
    assert computed("models/blend.onnx", few.test_images[:1]).shape == (1, 10)
    assert [path.name for path in Path("models").iterdir()] == ["blend.onnx"]
    onnx.checker.check_model("models/blend.onnx")
    refuse_foreign(Path("models/blend.onnx"), header=HEADER)  # it may be replaced


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("fast", {"hidden": [30, 20], "views": 5}),
        ("article", {}),
        ("cnn", {"stages": [[4, 4], [8]], "views": 9}),
        ("best", {"hidden": [30], "views": 5}),
        ("fast", {"hidden": [30], "vary": [{}, {"network": "cnn", "stages": [[4]]}, {"features": "pixels"}]}),
    ],
)
def test_every_kind_of_recipe_becomes_one_graph(recipe: str, settings: dict[str, Any], few: Digits) -> None:
    chosen = find_recipe(recipe).replaced(**settings, epochs=1, warmup=0.0, mixed_precision=False)
    digits = few.head(400, 300)
    run = pipeline.train(chosen, input=digits, folds=2)
    export_onnx(run, "model.onnx")
    np.testing.assert_allclose(computed("model.onnx", few.test_images), run.outputs().test, atol=1e-4)
    noise = np.random.default_rng(0).integers(0, 256, (600, 28, 28)).astype(np.uint8)  # more than a chunk
    noise[0] = 0
    np.testing.assert_allclose(computed("model.onnx", noise), run_outputs(run, noise), atol=1e-4)


def test_a_file_of_someone_elses_is_not_replaced(submissions: Path) -> None:
    model = onnx.helper.make_model(onnx.helper.make_graph([], "theirs", [], []), producer_name="someone")
    Path("theirs.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(OutputError, match=r"theirs\.onnx: exists and was not written by kaggle-mnist"):
        export_onnx("latest", "theirs.onnx")


def test_a_missing_package_or_run_is_named(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRun, match="nowhere: no such run"):
        export_onnx("nowhere", "model.onnx")
    monkeypatch.setattr("kaggle_mnist.export.MAX_BYTES", 1000)
    with pytest.raises(BadRun, match=r"its weights take .* GB, and an ONNX file at most 2; train fewer repeats"):
        export_onnx("latest", "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingPackage, match=r"export needs onnxscript: pip install 'kaggle-mnist\[onnx\]'"):
        export_onnx("latest", "model.onnx")
    assert not Path("model.onnx").exists()
