"""Digits found and read in made pictures: pages, sheets on a table, frames, punch holes, and what shows no digit.

    ./run.sh bench pictures [--digits N] [--recipe fast] [--epochs N] [--seed 0] [--keep DIR]

The first labeled digits of the practice set are held out; a run of five members is trained on the others. The held-out
digits are drawn as with a pen on pages, which are photographed: unevenly lit, noisy, saved as JPG, and read with
`predict`. A digit is *right* if a box with the right answer overlaps its own box by half (intersection over union);
*precision* is the share of boxes that belong to a digit, *refused* the share of right answers that are not sure, *let
through* the number of wrong ones that are sure. Scribbles and letters show no digit: every answer is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peak import show
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import load_practice
from kaggle_mnist.pipeline import train
from kaggle_mnist.predict import Prediction, certainty, least_certainty, predict, run_outputs
from kaggle_mnist.recipes.named import find_recipe

HELD_OUT = 6000  # digits
HEIGHT, WIDTH = 960, 720  # of a page, in pixels
Random = np.random.Generator
Grey = NDArray[np.float64]


@dataclass
class Page:
    """Ink on paper, both from 0 to 1, shape ``(height, width)``, with the digits' labels and boxes (y, x; y, x)."""

    ink: Grey
    paper: Grey
    labels: list[int]
    boxes: list[tuple[int, int, int, int]]

    @classmethod
    def empty(cls, height: int = HEIGHT, width: int = WIDTH) -> Page:
        return cls(np.zeros((height, width)), np.ones((height, width)), [], [])

    def write(self, image: NDArray[np.uint8], label: int, size: int, y: float, x: float) -> None:
        """Draw a digit whose longer side has `size` pixels around a point."""
        stroke = drawn(image, size)
        top, left = round(y - stroke.shape[0] / 2), round(x - stroke.shape[1] / 2)
        place = np.s_[top : top + stroke.shape[0], left : left + stroke.shape[1]]
        self.ink[place] = np.maximum(self.ink[place], stroke)
        self.labels.append(label)
        self.boxes.append((top, left, top + stroke.shape[0], left + stroke.shape[1]))


class Pile:
    """Held-out digits, taken in turn."""

    def __init__(self, digits: Digits, random: Random) -> None:
        self.digits, self.order = digits, itertools.cycle(random.permutation(HELD_OUT).tolist())

    def take(self) -> tuple[NDArray[np.uint8], int]:
        at = next(self.order)
        return self.digits.train_images[at], int(self.digits.train_labels[at])

    def take_in_pieces(self) -> tuple[NDArray[np.uint8], int]:
        """The next digit whose strokes do not all touch each other."""
        while True:
            image, label = self.take()
            pieces, count = ndimage.label(image > 100, np.ones((3, 3)))
            areas = np.sort(np.bincount(pieces.ravel())[1:])
            if count > 1 and areas[-2] >= 0.2 * areas[-1]:
                return image, label


Take = Callable[[Pile], tuple[NDArray[np.uint8], int]]


def drawn(image: NDArray[np.uint8], size: int) -> Grey:
    """A digit as if drawn with a pen: sharp edges, cropped, its longer side `size` pixels."""
    rows, columns = np.nonzero(image > 100)
    zoom = size / (max(np.ptp(rows), np.ptp(columns)) + 1)
    side = round(28 * zoom)
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), float) / 255
    ink: Grey = np.clip((large - 0.35) / 0.3, 0, 1)
    rows, columns = np.nonzero(ink > 0.5)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def pen_width(random: Random) -> int:
    return int(random.integers(3, 8))


# What is on the page: each takes a pile of digits and gives a page.


def one(pile: Pile, random: Random) -> Page:
    page, size = Page.empty(), int(random.integers(120, 420))
    y, x = (random.uniform(0.55 * size + 20, side - 0.55 * size - 20) for side in (HEIGHT, WIDTH))
    page.write(*pile.take(), size, y, x)
    return page


def grid(rows: int, columns: int, take: Take = Pile.take, largest: float = 0.75) -> Callable[[Pile, Random], Page]:
    """Digits of different sizes in sloping, uneven rows; they keep a distance of a sixth of their size or more."""

    def fill(pile: Pile, random: Random) -> Page:
        page = Page.empty()
        cell = min(HEIGHT * 0.9 / rows, WIDTH * 0.9 / columns)
        slope = random.uniform(-0.03, 0.03)
        for row in range(rows):
            for column in range(columns):
                size = int(cell * random.uniform(largest - 0.25, largest))
                loose = cell * (largest + 0.1) - size  # what is left of the cell
                y = HEIGHT * (0.05 + 0.9 * (row + 0.5) / rows) + random.uniform(-0.5, 0.5) * loose
                x = WIDTH * (0.05 + 0.9 * (column + 0.5) / columns) + random.uniform(-0.5, 0.5) * loose
                page.write(*take(pile), size, y + slope * (x - WIDTH / 2), x)
        return page

    return fill


def numbers(pile: Pile, random: Random) -> Page:
    """Three rows with a number of three or four digits, written closely."""
    page = Page.empty()
    for row in range(3):
        size, x = int(random.integers(90, 150)), 60.0
        for _ in range(int(random.integers(3, 5))):
            image, label = pile.take()
            width = drawn(image, size).shape[1]
            page.write(image, label, size, 200 + 280 * row + random.normal(0, 5), x + width / 2)
            x += width + size * random.uniform(0.2, 0.35)
    return page


# What happens to the page.


def ruled(page: Page, random: Random, *, squared: bool = False) -> Page:
    """Lines, or squares."""
    page.paper = page.paper.copy()
    gap, depth = int(random.integers(24, 48)), random.uniform(0.06, 0.2)
    for start in range(2):
        page.paper[gap // 2 + start :: gap] -= depth
        if squared:
            page.paper[:, gap // 2 + start :: gap] -= depth
    return page


def framed(page: Page, random: Random) -> Page:
    """A frame drawn around each digit with a pen: four crooked lines, or an ellipse."""
    picture = Image.new("L", page.ink.shape[::-1])
    draw = ImageDraw.Draw(picture)
    for top, left, bottom, right in page.boxes:
        margin = max(bottom - top, right - left) * random.uniform(0.15, 0.3)
        low, high, line = (left - margin, top - margin), (right + margin, bottom + margin), pen_width(random)
        if random.random() < 0.3:
            wider = 0.5 * (2**0.5 - 1) * (np.array(high) - low)  # the ellipse through the frame's corners
            draw.ellipse((*(low - wider), *(high + wider)), outline=255, width=line)
            continue
        corners = [low, (high[0], low[1]), high, (low[0], high[1])]
        crooked = [tuple(np.array(corner) + random.normal(0, 0.08 * margin, 2)) for corner in corners]
        draw.line([*crooked, crooked[0]], 255, line, "curve")
    page.ink = np.maximum(page.ink, np.asarray(picture) / 255)
    return page


def punched(page: Page, random: Random) -> Page:
    """Two or four holes in the left margin, through which a darker table is seen."""
    number, radius = int(random.choice([2, 4])), random.uniform(9, 13)
    y, x = np.indices(page.ink.shape)
    depth = random.uniform(0.5, 0.9)
    for at in (np.arange(number) - (number - 1) / 2) * 0.27 * HEIGHT + HEIGHT / 2:
        page.ink = np.maximum(page.ink, depth * np.clip(radius + 0.5 - np.hypot(y - at, x - 34), 0, 1))
    return page


def lit(grey: Grey, random: Random, *, shadow: bool = False) -> Grey:
    """A lamp or a window, brightest near the middle, perhaps a shadow whose edge crosses the picture."""
    y, x = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
    light = 0.8 + 0.08 * (random.normal() * x + random.normal() * y) - 0.08 * (x * x + y * y)
    if shadow:
        angle = random.uniform(0, 2 * np.pi)
        across = np.cos(angle) * x + np.sin(angle) * y - random.uniform(-0.5, 0.5)
        light *= 1 - random.uniform(0.2, 0.45) / (1 + np.exp(-across / random.uniform(0.01, 0.1)))
    seen: Grey = np.clip(light, 0.3, 1) * grey
    return seen


def on_table(grey: Grey, boxes: Grey, random: Random) -> tuple[Grey, Grey]:
    """A sheet on a darker table with a grain, turned and seen at an angle; and its boxes there."""
    height, width = 1000, 1000
    scale = random.uniform(0.6, 0.85) * height / grey.shape[0]
    corners = (np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) - 0.5) * [grey.shape[1] * scale, grey.shape[0] * scale]
    turn = np.deg2rad(random.uniform(-12, 12))
    corners = corners @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    corners += random.uniform(-20, 20, (4, 2)) + random.uniform(-15, 15, 2) + 500
    back = _projective(corners, np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [grey.shape[1], grey.shape[0]])
    sheet, cover = (
        np.asarray(
            Image.fromarray(layer.astype(np.float32)).transform(
                (width, height), Image.Transform.PERSPECTIVE, back.ravel()[:8].tolist(), Image.Resampling.BILINEAR
            )
        )
        for layer in (grey, np.ones_like(grey))
    )
    grain = ndimage.gaussian_filter(random.normal(0, 1, (height, width)), (1, 40))
    table = random.uniform(0.15, 0.45) + 0.03 * grain / grain.std()
    forth = np.linalg.inv(back)
    moved = np.concatenate([boxes, np.ones_like(boxes[..., :1])], -1) @ forth.T  # (n, 4, 3)
    return cover * sheet + (1 - cover) * table, moved[..., :2] / moved[..., 2:]


def _projective(points: Grey, images: Grey) -> Grey:
    rows = []
    for (x, y), (u, v) in zip(points, images, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), images.ravel()), 1).reshape(3, 3)


# What shows no digit.


def letters(pile: Pile, random: Random) -> Page:
    page = Page.empty()
    picture = Image.new("L", (WIDTH, HEIGHT))
    letter = str(random.choice(list("ABCDEFGHKMNPQRTUVWXYabdefhkmnprtwx&@#%?")))
    ImageDraw.Draw(picture).text((360, 480), letter, 255, ImageFont.load_default(int(random.integers(200, 400))), "mm")
    page.ink = np.asarray(picture) / 255
    return page


def scribbles(pile: Pile, random: Random) -> Page:
    """A pen line through ten random points."""
    page = Page.empty()
    picture = Image.new("L", (WIDTH, HEIGHT))
    points = random.uniform((200, 250), (520, 700), (10, 2))
    smooth = ndimage.zoom(points, (12, 1), order=3)
    ImageDraw.Draw(picture).line([tuple(point) for point in smooth], 255, 12, "curve")
    page.ink = np.asarray(picture) / 255
    return page


@dataclass(frozen=True)
class Kind:
    """How a picture is made."""

    content: Callable[[Pile, Random], Page]
    changes: tuple[Callable[[Page, Random], Page], ...] = ()
    shadow: bool = False
    table: bool = False


def squared(page: Page, random: Random) -> Page:
    return ruled(page, random, squared=True)


KINDS = {
    "one digit on full paper": Kind(one),
    "lined paper": Kind(one, (ruled,)),
    "squared paper": Kind(one, (squared,)),
    "a shadow": Kind(one, shadow=True),
    "a drawn frame": Kind(one, (framed,)),
    "a sheet on a table": Kind(one, table=True),
    "punch holes": Kind(one, (punched,)),
    "2 digits": Kind(grid(1, 2)),
    "8 digits": Kind(grid(4, 2)),
    "24 digits": Kind(grid(6, 4)),
    "numbers": Kind(numbers),
    "8 digits in several strokes": Kind(grid(4, 2, Pile.take_in_pieces)),
    "8 digits in frames": Kind(grid(4, 2, largest=0.5), (framed,)),
    "8 digits, all at once": Kind(grid(4, 2), (ruled, punched), shadow=True, table=True),
    "24 digits on a table": Kind(grid(6, 4), table=True),
    "letters": Kind(letters),
    "scribbles": Kind(scribbles),
}


def make(kind: Kind, pile: Pile, random: Random) -> tuple[Image.Image, list[int], Grey]:
    """A picture, its labels, and the corners of their boxes, ``(n, 4, 2)``, as fractions of the picture's sides."""
    page = kind.content(pile, random)
    for change in kind.changes:
        page = change(page, random)
    grey = page.paper * (1 - random.uniform(0.5, 0.85) * page.ink)
    boxes = np.array(page.boxes, float).reshape(-1, 4)[:, [1, 0, 3, 0, 3, 2, 1, 2]].reshape(-1, 4, 2)
    if kind.table:
        grey, boxes = on_table(grey, boxes, random)
    grey = ndimage.gaussian_filter(lit(grey, random, shadow=kind.shadow), 0.7) + random.normal(0, 0.015, grey.shape)
    picture = Image.fromarray((np.clip(grey, 0, 1) * 255).round().astype(np.uint8))
    return picture, page.labels, boxes / grey.shape[::-1]


@dataclass
class Count:
    """What happened to the digits of one kind of picture."""

    pictures: int = 0
    digits: int = 0
    boxes: int = 0
    matched: int = 0
    right: int = 0
    refused: int = 0
    let_through: int = 0

    def row(self, kind: str) -> dict[str, object]:
        wrong = self.boxes - self.right

        def share(part: int, of: int) -> str:
            return f"{part / of:.4f}" if of else ""

        return {
            "kind": kind,
            "pictures": self.pictures,
            "digits": self.digits,
            "right": share(self.right, self.digits),
            "precision": share(self.matched, self.boxes) if self.digits else "",
            "refused": share(self.refused, self.right),
            "wrong": wrong,
            "let through": self.let_through,
        }

    def __add__(self, other: Count) -> Count:
        return Count(*(getattr(self, field) + getattr(other, field) for field in self.__dataclass_fields__))


def count(prediction: Prediction, pictures: dict[Path, tuple[list[int], Grey]]) -> tuple[Count, list[str]]:
    """Compare a prediction with the labels and boxes of the pictures; a line for each wrong answer that is sure."""
    total = Count(len(pictures), sum(len(labels) for labels, _ in pictures.values()), len(prediction.files))
    free = {file: list(range(len(labels))) for file, (labels, _) in pictures.items()}
    let_through = []
    columns = (prediction.files, prediction.numbers, prediction.corners, prediction.digits, prediction.sure)
    for file, number, corners, digit, sure in zip(*columns, strict=True):
        labels, boxes = pictures[file]
        at = next((i for i in free[file] if overlap(corners, boxes[i]) >= 0.5), None)
        if at is not None:
            free[file].remove(at)
        is_right = at is not None and labels[at] == digit
        total.matched += at is not None
        total.right += is_right
        total.refused += is_right and not sure
        if sure and not is_right and pictures[file][0]:
            truth = "no digit" if at is None else f"labeled {labels[at]}"
            let_through.append(f"{file.parent.name}/{file.name}, digit {number}: read {digit}, {truth}")
        total.let_through += sure and not is_right
    return total, let_through


def overlap(one: Grey, other: Grey) -> float:
    """The intersection over union of two boxes' upright bounds."""
    low, high = np.maximum(one.min(0), other.min(0)), np.minimum(one.max(0), other.max(0))
    common = np.maximum(high - low, 0).prod()
    return float(common / (np.ptp(one, 0).prod() + np.ptp(other, 0).prod() - common))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=int, default=200, help="for each kind; as many pictures if none has a digit")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the pictures, and for the pictures with their boxes")
    options = parser.parse_args()
    practice = load_practice()
    others = replace(
        practice, train_images=practice.train_images[HELD_OUT:], train_labels=practice.train_labels[HELD_OUT:]
    )
    recipe = find_recipe(options.recipe, epochs=options.epochs)
    rows, let_through, all_kinds, no_digits = [], list[str](), Count(), Count()
    with tempfile.TemporaryDirectory() as name:
        run = train(recipe, input=others.head(len(others.train_images), 1), output=name, seed=options.seed)
        known, held_out = run.outputs(), run_outputs(run, practice.train_images[:HELD_OUT])
        for number, (kind_name, kind) in enumerate(KINDS.items()):
            random = np.random.default_rng([options.seed, number])
            folder = (options.keep or Path(name)) / kind_name.replace(" ", "-")
            pictures = save(kind, folder, practice, options.digits, random)
            shown = folder.with_suffix(".png") if options.keep else None
            result, lines = count(predict(run, [folder], show=shown), pictures)
            let_through += lines
            rows.append(result.row(kind_name))
            if result.digits:
                all_kinds += result
            else:
                no_digits += result
    rows += [all_kinds.row("all with digits"), no_digits.row("all without digits")]
    threshold = least_certainty(known.oof, known.y_true)
    rows.append(as_they_are(known.oof, known.y_true, threshold).row("out of fold, as they are"))
    rows.append(as_they_are(held_out, practice.train_labels[:HELD_OUT], threshold).row("held out, as they are"))
    show(rows)
    print("Wrong but sure:", *let_through, sep="\n")


def save(kind: Kind, folder: Path, digits: Digits, least: int, random: Random) -> dict[Path, tuple[list[int], Grey]]:
    """Save pictures with `least` digits or more, or as many pictures, as JPG files; their labels and boxes."""
    folder.mkdir(parents=True)
    pile, pictures, written = Pile(digits, random), dict[Path, tuple[list[int], Grey]](), 0
    while written < least:
        picture, labels, boxes = make(kind, pile, random)
        file = folder / f"{len(pictures):03}.jpg"
        picture.save(file, quality=85)
        pictures[file] = labels, boxes
        written += max(1, len(labels))
    return pictures


def as_they_are(outputs: NDArray[np.float32], labels: NDArray[np.int64], threshold: float) -> Count:
    """Right and wrong answers for the practice set's own images."""
    sure, right = certainty(outputs) >= threshold, outputs.argmax(1) == labels
    n = len(labels)
    return Count(0, n, n, n, int(right.sum()), int((right & ~sure).sum()), int((sure & ~right).sum()))


if __name__ == "__main__":
    main()
