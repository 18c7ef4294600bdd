"""Valid samples of every kind of file, and mutators for folders and recipes."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.recipes.recipe import Recipe
from tests.harness.archives import npy_bytes
from tests.harness.mutation import ODD_STRINGS, mutated, mutated_text, pick
from tests.harness.pictures import mutated_picture

Sample = dict[str, bytes]  # content by path in the reader's folder; LINK + target is a link, FOLDER a folder
LINK, FOLDER = b"@link ", b"@folder"
Mutate = Callable[[Random, Sample, Sample], Sample]


def only(change: Callable[[Random, bytes, bytes], bytes]) -> Mutate:
    """A mutator that changes one of a sample's files."""

    def mutate(rng: Random, sample: Sample, other: Sample) -> Sample:
        name = pick(rng, list(sample))
        return {**sample, name: change(rng, sample[name], other.get(name, b""))}

    return mutate


def narrow(digits: Digits) -> Digits:
    """The middle 2×2 pixels of every image: CSV files of the same form that parse fifty times as fast."""
    train, test = (images[:, 13:15, 13:15].copy() for images in (digits.train_images, digits.test_images))
    return Digits(digits.source, digits.path, train, digits.train_labels, test)


def csv_sample(digits: Digits) -> Sample:
    """train.csv and test.csv as `export_csv` writes them, for images of any size."""
    pixels = ",".join(f"pixel{i}" for i in range(digits.test_images[0].size))
    labeled = zip(digits.train_labels, digits.train_images, strict=True)
    train = [f"label,{pixels}", *(f"{label}," + ",".join(map(str, image.ravel())) for label, image in labeled)]
    test = [pixels, *(",".join(map(str, image.ravel())) for image in digits.test_images)]
    return {"train.csv": "\n".join([*train, ""]).encode(), "test.csv": "\n".join([*test, ""]).encode()}


def passed_around(sample: Sample) -> list[Sample]:
    """train.csv and test.csv in other forms: semicolons, UTF-16, gzip, an index and labels in both, no header."""

    def both(change: Callable[[bytes], bytes], suffix: str = "") -> Sample:
        return {f"{name}{suffix}": change(content) for name, content in sample.items()}

    def indexed(content: bytes) -> bytes:
        lines = content.splitlines()
        return b"\n".join([b"," + lines[0], *(b"%d,%s" % (i, line) for i, line in enumerate(lines[1:]))])

    headerless = {name: content.partition(b"\n")[2] for name, content in sample.items()}
    labeled = {**sample, "test.csv": sample["train.csv"]}
    return [
        both(lambda content: content.replace(b",", b";")),
        both(lambda content: content.decode().encode("utf-16")),
        both(lambda content: gzip.compress(content, 1, mtime=0), ".gz"),
        both(indexed),
        headerless,
        labeled,
    ]


def zip_sample(sample: Sample, inside: str = "", method: int = zipfile.ZIP_DEFLATED) -> Sample:
    """The files of a sample as one zip file, in its folder `inside`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in sample.items():
            archive.writestr(zipfile.ZipInfo(inside + name), content, method)  # dated 1980: the same bytes every time
    return {"digits.zip": file.getvalue()}


def picture(image: NDArray[np.uint8], kind: str, mode: str = "L", side: int = 28) -> bytes:
    """An image file of a digit; any other side gives a photo of that size, dark on light."""
    made = Image.fromarray(image)
    if side != 28:
        made = Image.eval(made, lambda value: 255 - value).resize((side, side))
    file = io.BytesIO()
    made.convert(mode).save(file, kind)
    return file.getvalue()


def folders_sample(digits: Digits, kind: str, mode: str) -> Sample:
    """The digits as folders of image files."""
    suffix = {"PNG": ".png", "JPEG": ".jpg"}[kind]
    labeled = enumerate(zip(digits.train_labels, digits.train_images, strict=True), start=1)
    sample = {f"train/{label}/img_{i}{suffix}": picture(image, kind, mode) for i, (label, image) in labeled}
    return sample | {f"test/img_{i}{suffix}": picture(x, kind, mode) for i, x in enumerate(digits.test_images, start=1)}


LINKS = [b"..", b".", b"/", b"/etc/passwd", b"../../..", b"img_1.png", b"nowhere", b"/dev/null", b"../0", b"x" * 300]


def mutated_folders(rng: Random, sample: Sample, other: Sample) -> Sample:
    """Image folders with a changed image or name, or a link, folder or foreign file added, or a file missing."""
    sample, kind = dict(sample), rng.random()
    name = pick(rng, list(sample))
    if kind < 0.75:
        sample[name] = mutated_picture(rng, sample[name], other.get(name, b""))
    elif kind < 0.8:
        sample[name] = LINK + pick(rng, LINKS)
    elif kind < 0.85:
        del sample[name]
    elif kind < 0.9:
        text = pick(rng, ODD_STRINGS).replace("/", "_").replace("\0", "_")[:200] or "_"
        head, _, tail = name.rpartition("/")
        at = rng.randrange(len(tail) + 1)
        sample[f"{head}/{tail[:at]}{text}{tail[at:]}"] = sample.pop(name)
    elif kind < 0.95:
        folder = name.rpartition("/")[0]
        new = pick(
            rng,
            ("img_1.png", "img_99999999999999999999.jpg", "Thumbs.db", ".x", "a.gif", "7.png", "٣.png", "10", "test"),
        )
        sample[f"{folder}/{new}"] = sample[name]
    else:
        sample = {path: content for path, content in sample.items() if not path.startswith(name.rpartition("/")[0])}
        sample[pick(rng, ("train", "test", "trainingSet/0", "testSet", "train/train", "train/10"))] = pick(
            rng, (FOLDER, b"x", LINK + b".")
        )
    return sample


def recipe_sample(recipe: Recipe) -> bytes:
    """A recipe as a TOML file."""
    lines = (f"{name} = {_toml(value)}" for name, value in recipe.model_dump().items())
    return f'# a recipe\nbase = "mlp"\n{chr(10).join(lines)}\n'.encode()


def _toml(value: object) -> str:
    return json.dumps(value)


ODD_TOML = [
    *("1e400", "inf", "-nan", "0x1F", "0o7", "1_000", "1979-05-27T07:32:00Z", "07:32:00", "1979-13-40"),
    *('"""x\n"""', "'''y'''"),
]


ODD_TOML += [
    *("[[1, 2], [3]]", "[" * 60, "{a = 1}", "{a.b.c = [{}]}", "true", '"\\uD800"', '"\\u202e"', "[1,]"),
    *("1" * 5000, "0x" + "f" * 5000),
]


ODD_LINES = [
    *("[table]", "[[array]]", "a.b.c = 1", "self = 1", "cls = 1", "fields = 1", '"" = 1', "'é' = 1", "="),
    *("name", "x" * 400 + " = 1"),
]


ODD_LINES += [
    *("a." * 200 + "a = 1", '"\\u202e" = 1', "[mlp.hidden]", "__proto__ = 1", "model_config = {}"),
    *('base = "article"', "base = []"),
]


def mutated_recipe(rng: Random, data: bytes, other: bytes) -> bytes:
    """A TOML recipe with changed values, names, lines or bytes."""
    if rng.random() < 0.25:
        return mutated(rng, data, other)
    lines = data.split(b"\n")
    for _ in range(pick(rng, (1, 1, 2, 3))):
        at, kind = rng.randrange(len(lines)), rng.random()
        name, equals, value = lines[at].partition(b"=")
        if kind < 0.35:
            lines[at] = name + b"= " + mutated_text(rng, value.strip())
        elif kind < 0.6:
            lines[at] = name + b"= " + pick(rng, ODD_TOML).encode()
        elif kind < 0.75:
            lines.insert(at, pick(rng, ODD_LINES).encode())
        elif kind < 0.85:
            lines[at] = mutated_text(rng, name) + equals + value
        elif len(lines) > 1:
            del lines[at]
    return b"\n".join(lines)


def idx_of(packed: bytes) -> bytes:
    """The first hundred labels of a bundled file."""
    content = gzip.decompress(packed)
    return gzip.compress(content[:4] + (100).to_bytes(4, "big") + content[8:108], 1, mtime=0)


def npz_sample(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as a `.npz` file."""
    return zip_sample({f"{name}.npy": npy_bytes(array) for name, array in arrays.items()}, "", 0)["digits.zip"]
