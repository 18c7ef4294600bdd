"""A scikit-learn classifier: fit a fold ensemble to images, without files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from kaggle_mnist.data.digits import CLASSES, SIDE, Digits
from kaggle_mnist.prepare import check_seed
from kaggle_mnist.recipes.named import find_recipe
from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.recipes.variants import load_networks
from kaggle_mnist.training.cross_validation import cross_validate
from kaggle_mnist.training.device import resolve_device
from kaggle_mnist.training.folds import assign_folds
from kaggle_mnist.training.inference import ensemble_outputs
from kaggle_mnist.training.metrics import shares_of
from kaggle_mnist.utils.words import plural

PIXELS = SIDE * SIDE


class FoldEnsembleClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fold ensemble of neural networks for images of 28×28 pixels, as a scikit-learn classifier.

    Images are ``(n, 784)`` or ``(n, 28, 28)``, from 0 (background) to 255 (ink), of any number type. There may be 2 to
    10 classes, with labels of any type that scikit-learn takes.

    Parameters
    ----------
    recipe : a name that `kaggle-mnist recipes` lists, the path of a TOML file, or a `Recipe`
    epochs : passes over the images; the recipe's by default
    folds : members of each repeat, at least 2; every image is held out by one of them
    repeats : how often cross-validation is repeated, with new folds each time; by default once for each variant
    seed : 0 to 2³¹ - 1; the same seed and images on the same machine give the same members
    settings : other fields of the recipe, such as ``{"hidden": [300]}``
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``

    Attributes
    ----------
    classes_ : the labels, shape ``(k,)``, sorted
    oof_ : out-of-fold probabilities, float64, shape ``(n, k)``: those of the members that were not trained on an image,
        averaged over the repeats; each row sums to 1
    fold_of_ : int64, shape ``(repeats, n)``, the fold in which each image was held out
    history_ : a data frame with a row for each epoch and member, as `CrossValidation.history`
    n_features_in_ : 784

    Examples
    --------
    >>> from kaggle_mnist import FoldEnsembleClassifier, load_digits
    >>> digits = load_digits("practice").head(500, 100)
    >>> model = FoldEnsembleClassifier("fast", epochs=2).fit(digits.train_images, digits.train_labels)
    >>> model.predict_proba(digits.test_images).shape, model.oof_.shape
    ((100, 10), (500, 10))
    """

    def __init__(
        self,
        recipe: str | Recipe = "fast",
        *,
        epochs: int | None = None,
        folds: int = 5,
        repeats: int | None = None,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
    ):
        self.recipe = recipe
        self.epochs = epochs
        self.folds = folds
        self.repeats = repeats
        self.seed = seed
        self.settings = settings
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train one member for every repeat and fold.

        Parameters
        ----------
        X : images, ``(n, 784)`` or ``(n, 28, 28)``, from 0 to 255; floats that are all at most 1 are refused
        y : labels, ``(n,)``, of 2 to 10 classes with at least as many images each as there are folds

        Raises
        ------
        ValueError
            Images or labels are not of this form.
        kaggle_mnist.utils.errors.UserError
            The recipe, a setting or the seed is invalid, or training diverged.
        """
        check_seed(self.seed)
        recipe = find_recipe(self.recipe, self.settings or {}, epochs=self.epochs)
        flat, y = validate_data(self, _flat(X), y, dtype="numeric")
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        codes = encoder.transform(y).astype(np.int64)
        classes = len(encoder.classes_)
        if not 2 <= classes <= CLASSES:
            raise ValueError(f"y has {'one class' if classes == 1 else f'{classes} classes'}; use 2 to {CLASSES}")
        images = self._images(flat, fitting=True)
        digits = Digits("array", "fit", images, codes, images[:0])
        counts = np.bincount(codes[np.unique(digits.first_same)], minlength=classes)
        if counts.min() < self.folds:
            rarest = encoder.classes_[counts.argmin()]
            images_of_it = plural(int(counts.min()), "different image")
            raise ValueError(f"class {rarest} has {images_of_it}, fewer than the {self.folds} folds")
        repeats = len(recipe.variants) if self.repeats is None else self.repeats
        self.fold_of_ = assign_folds(
            codes,
            n_splits=self.folds,
            repeats=repeats,
            seed=self.seed,
            first_same=digits.first_same,
            classes=classes,
        )
        result = cross_validate(digits, recipe, self.fold_of_, self.seed, device=resolve_device(self.device))
        self.classes_ = encoder.classes_
        self.history_ = result.history
        self.oof_ = self._probabilities(result.oof_outputs.mean(0))
        self.networks_ = load_networks(recipe, {name: tensor.numpy() for name, tensor in result.members.items()})
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes, ``(n, k)``: the mean over all members; each row sums to 1."""
        check_is_fitted(self)
        flat = validate_data(self, _flat(X), dtype="numeric", reset=False)
        return self._probabilities(ensemble_outputs(self.networks_, self._images(flat)))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class of each image, ``(n,)``."""
        likeliest = self.predict_proba(X).argmax(1)
        labels: NDArray[Any] = self.classes_[likeliest]
        return labels

    def _images(self, flat: NDArray[Any], *, fitting: bool = False) -> NDArray[np.uint8]:
        """Rows of 784 pixels as images, uint8 ``(n, 28, 28)``; fractions are rounded. Raises ValueError."""
        low, high, pixels = flat.min(), flat.max(), flat.shape[1]
        if low < 0:
            raise ValueError("Negative values in data: pixels are from 0 (background) to 255 (ink)")
        if pixels != PIXELS:
            raise ValueError(f"X has n_features={pixels}, an image has {PIXELS}: use (n, {PIXELS}) or (n, 28, 28)")
        if high > 255:
            raise ValueError(f"X has a pixel of {high:g}: pixels are from 0 (background) to 255 (ink)")
        if fitting and flat.dtype.kind == "f" and 0 < high <= 1:  # of other images, one may be as dark
            raise ValueError("X has no pixel above 1: pixels are from 0 to 255, multiply them by 255")
        images: NDArray[np.uint8] = np.rint(flat).astype(np.uint8).reshape(-1, SIDE, SIDE)
        return images

    def _probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Outputs ``(n, 10)`` as probabilities of the classes that there are, ``(n, k)``."""
        return shares_of(outputs[:, : len(self.classes_)])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        return tags


def _flat(images: Any) -> Any:
    """Images ``(n, 28, 28)`` as ``(n, 784)``; tables as they are, to be checked by scikit-learn. Raises ValueError."""
    if isinstance(images, (list, tuple)):
        images = np.asarray(images)
    shape = tuple(getattr(images, "shape", ()))
    if shape[1:] == (SIDE, SIDE):
        return images.reshape(-1, PIXELS)
    if len(shape) > 2:
        raise ValueError(f"X has the shape {shape}: use (n, {PIXELS}) or (n, {SIDE}, {SIDE})")
    return images
