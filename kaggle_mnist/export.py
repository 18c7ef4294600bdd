"""Export a run as one ONNX graph: uint8 images in, the ensemble's outputs out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from kaggle_mnist import __version__
from kaggle_mnist.data.digits import SIDE
from kaggle_mnist.models.features import compute_features
from kaggle_mnist.models.network import StackedNetwork
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.recipes.variants import load_networks
from kaggle_mnist.runs.finding import find_run
from kaggle_mnist.runs.parents import parents_of
from kaggle_mnist.runs.run import Run
from kaggle_mnist.training.inference import shifted_views
from kaggle_mnist.training.losses import sigmoid_outputs
from kaggle_mnist.training.normalization import normalize
from kaggle_mnist.utils.errors import BadRun, MissingPackage, OutputError
from kaggle_mnist.utils.files import WRITER, refuse_foreign, write_atomic
from kaggle_mnist.utils.silence import errors_only

OPSET, FORMAT = 18, 10  # of ONNX: operators, the first with all that are needed, and the file's format
HEADER = bytes((0x08, FORMAT, 0x12, len(WRITER))) + WRITER.encode()  # our files begin with format and producer
MAX_BYTES = 2 * 10**9  # of a file in protobuf's format


class Ensemble(nn.Module):
    """All members of a run, from pixels to the weighted sum of their sigmoid outputs.

    Parameters
    ----------
    parts : weight of every member's output, the members, and their recipe

    Shape
    -----
    - images: uint8 ``(n, 28, 28)``, 0 background to 255 ink
    - outputs: float32 ``(n, 10)``, from 0 to 1
    """

    def __init__(self, parts: Sequence[tuple[float, StackedNetwork, Recipe]]):
        super().__init__()
        self.parts = parts
        self.networks = nn.ModuleList(network for _, network, _ in parts)

    def forward(self, images: Tensor) -> Tensor:
        pixels, total = images.float() / 255, torch.zeros(1)
        for weight, network, recipe in self.parts:
            views = torch.cat(list(shifted_views(normalize(pixels, recipe), recipe.views)))  # (views * n, 28, 28)
            x = compute_features(views, recipe.features, **recipe.feature_settings)
            for member in range(network.members):
                outputs = sigmoid_outputs(network.member_logits(member, x), recipe)
                total = total + weight * outputs.view(recipe.views, -1, outputs.shape[1]).mean(0)
        return total.clamp(0, 1)


def export_onnx(run: str | Run | None, file: str | Path, *, output: str | Path = "submissions") -> Run:
    """Write a run as an ONNX file: normalization, features, shifted views and all members in one graph.

    Its input is `images`, uint8 ``(n, 28, 28)``, 0 (background) to 255 (ink), for any n; its output is `outputs`,
    float32 ``(n, 10)``, from 0 to 1, as `predict.run_outputs` computes them.

    Parameters
    ----------
    run : a `Run`, or as for `finding.find_paths`; the newest if None. A blend becomes the weighted sum of its parents
    file : where to write it
    output : folder of the runs

    Returns
    -------
    The run.

    Raises
    ------
    BadRun
        The run or a parent of a blend cannot be read, or its weights are too large for one file.
    MissingPackage
        `onnx` or `onnxscript` is not installed.
    OutputError
        `file` cannot be written, or is a file that kaggle-mnist did not write. This is checked before any work.

    Examples
    --------
    >>> export_onnx("latest", "model.onnx").name  # doctest: +SKIP
    '20261126-093831-fast'
    """
    file = Path(file)
    refuse_foreign(file, header=HEADER)
    found = run if isinstance(run, Run) else find_run(run, Path(output))
    content = _graph_of(found)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, content)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror})") from error
    return found


def _graph_of(run: Run) -> bytes:
    try:
        import onnx  # noqa: F401  PyTorch would fail later, in more words
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackage(f"export needs {error.name}: pip install 'kaggle-mnist[onnx]'") from error
    ensemble = Ensemble(_parts(run)).eval().requires_grad_(False)
    size = sum(tensor.numel() * tensor.element_size() for tensor in ensemble.state_dict().values())
    if size > MAX_BYTES:
        raise BadRun(
            f"{run.name}: its weights take {size / 1e9:.1f} GB, and an ONNX file at most 2; train fewer repeats"
        )
    example = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    ensemble(example)  # computes what is cached, which must not be symbols of the exporter
    with warnings.catch_warnings(), errors_only("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            ensemble,
            (example,),
            input_names=["images"],
            output_names=["outputs"],
            dynamic_shapes={"images": {0: torch.export.Dim("n")}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # as of an export that is not written to a file
    model = program.model_proto
    model.ir_version, model.producer_name, model.producer_version = FORMAT, WRITER, __version__
    model.doc_string = f"{run.name}: digits from uint8 images (n, 28, 28), 0 background to 255 ink"
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _parts(run: Run, share: float = 1.0) -> list[tuple[float, StackedNetwork, Recipe]]:
    """The weight of every member's output, the members and their recipe; of a blend, those of all its parents."""
    if run.record.recipe is None:
        return [part for weight, parent in parents_of(run) if weight for part in _parts(parent, share * weight)]
    networks = load_networks(run.record.recipe, run.weights())
    members = sum(network.members for network, _ in networks)
    return [(share / members, network, recipe) for network, recipe in networks]
