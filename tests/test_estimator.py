"""The scikit-learn classifier: scikit-learn's own checks, and images."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from kaggle_mnist import cross_validate
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.estimator import PIXELS, FoldEnsembleClassifier
from kaggle_mnist.utils.errors import BadOption
from tests.conftest import TINY

QUICK: dict[str, Any] = {
    "hidden": [16],
    "dropout": 0.0,
    "loss": "cross_entropy",
    "targets": [0.0, 1.0],
    "pixels": [-1.0, 1.5],
}
QUICK |= {"schedule": "cosine", "steps": [], "learning_rate": 0.003, "batch_size": 20}
ROUNDING = "products of float32 round differently in batches of other sizes, by 1e-6; the check allows 1e-7"
EXPECTED = {"check_methods_subset_invariance": ROUNDING, "check_methods_sample_order_invariance": ROUNDING}


class OnFewFeatures(FoldEnsembleClassifier):
    """The same classifier for the data of scikit-learn's checks, whose 1 to 20 features are repeated to 784 pixels."""

    def _images(self, flat: NDArray[Any], *, fitting: bool = False) -> NDArray[np.uint8]:
        return super()._images(np.resize(flat.T * 40, (PIXELS, len(flat))).T.clip(None, 255), fitting=fitting)


@pytest.mark.slow
@parametrize_with_checks(  # type: ignore[untyped-decorator]  # scikit-learn has no types
    [OnFewFeatures("article", epochs=12, folds=2, settings=QUICK)], expected_failed_checks=lambda estimator: EXPECTED
)
def test_it_is_a_classifier_of_scikit_learn(estimator: FoldEnsembleClassifier, check: Callable[..., None]) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def fitted(few: Digits) -> FoldEnsembleClassifier:
    return FoldEnsembleClassifier(TINY, folds=3, seed=1, epochs=6).fit(few.train_images, few.train_labels)


def test_outputs_are_those_of_cross_validation(fitted: FoldEnsembleClassifier, few: Digits) -> None:
    result = cross_validate(few, TINY.replaced(epochs=6), fitted.fold_of_, seed=1)
    np.testing.assert_allclose(fitted.oof_, result.oof_outputs[0], atol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(few.test_images), result.test_outputs.mean((0, 1)), atol=1e-5)
    assert (fitted.classes_[fitted.oof_.argmax(1)] == few.train_labels).mean() > 0.8
    assert list(fitted.history_.epoch.unique()) == [1, 2, 3, 4, 5, 6]


def test_images_may_be_rows_of_any_number_type(fitted: FoldEnsembleClassifier, few: Digits) -> None:
    images = few.test_images[:50]
    expected = fitted.predict(images)
    for same in (images.reshape(-1, 784), images.astype(np.float32), images.astype(float).tolist()):
        np.testing.assert_array_equal(fitted.predict(same), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(images), expected)


def test_whether_images_are_read_does_not_depend_on_the_others(fitted: FoldEnsembleClassifier, few: Digits) -> None:
    dark = few.test_images[:2].copy()
    dark[0] = 1
    for images in (dark, dark.astype(float)):
        alone = fitted.predict_proba(images[:1])
        np.testing.assert_allclose(alone, fitted.predict_proba(images)[:1], atol=1e-5)


def test_whole_numbers_from_0_to_1_are_dark_pixels(few: Digits) -> None:
    images = (few.train_images[:200] > 127).astype(np.uint8)
    model = FoldEnsembleClassifier(TINY, epochs=1, folds=2).fit(images, few.train_labels[:200])
    assert model.oof_.shape == (200, 10)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_is_out_of_range_is_refused(seed: int, handful: Digits) -> None:
    with pytest.raises(BadOption, match=f"^seed {seed}: must be from 0 to 2147483647$"):
        FoldEnsembleClassifier(TINY, seed=seed).fit(handful.train_images, handful.train_labels)


def test_labels_may_be_few_and_of_any_type(few: Digits) -> None:
    chosen = few.train_labels < 3
    names = np.array(["zero", "one", "two"])[few.train_labels[chosen]]
    model = FoldEnsembleClassifier("article", folds=2, epochs=3, settings={"hidden": [30], "learning_rate": 0.01})
    model.fit(few.train_images[chosen], names)
    assert list(model.classes_) == ["one", "two", "zero"]
    assert model.oof_.shape == (chosen.sum(), 3)
    np.testing.assert_allclose(model.oof_.sum(1), 1)
    assert model.score(few.train_images[chosen], names) > 0.9
    scores = cross_val_score(clone(model), few.train_images[chosen].reshape(-1, 784), names, cv=2)
    assert scores.min() > 0.9


def test_outputs_hardly_depend_on_the_other_images(fitted: FoldEnsembleClassifier, few: Digits) -> None:
    """What the two checks that are expected to fail are about, with a tolerance for float32."""
    one_by_one = np.concatenate([fitted.predict_proba(image[None]) for image in few.test_images[:20]])
    np.testing.assert_allclose(fitted.predict_proba(few.test_images[:20]), one_by_one, atol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba(few.test_images[19::-1])[::-1], one_by_one, atol=1e-5)


def test_copies_of_an_image_are_held_out_together(few: Digits) -> None:
    images, labels = np.repeat(few.train_images[:200], 2, 0), np.repeat(few.train_labels[:200], 2)
    model = FoldEnsembleClassifier(TINY, epochs=1, folds=2, repeats=2).fit(images, labels)
    assert model.fold_of_.shape == (2, 400)
    np.testing.assert_array_equal(model.fold_of_[:, ::2], model.fold_of_[:, 1::2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:, :8, :8], y), r"X has the shape \(120, 8, 8\): use \(n, 784\) or \(n, 28, 28\)"),
        (lambda x, y: (x[..., None], y), r"X has the shape \(120, 28, 28, 1\): use"),
        (lambda x, y: (x[:, :8, :8].reshape(-1, 64), y), r"n_features=64, an image has 784: use \(n, 784\)"),
        (lambda x, y: (x / 255, y), "no pixel above 1: pixels are from 0 to 255, multiply them by 255"),
        (lambda x, y: (x * 2.0, y), "a pixel of 510: pixels are from 0"),
        (lambda x, y: (x - 1.0, y), "Negative values in data"),
        (lambda x, y: (x, np.arange(len(y)) // 10), "y has 12 classes; use 2 to 10"),
        (lambda x, y: (x, np.where(np.arange(len(y)) < 2, "few", "many")), "class few has 2 different images, fewer"),
        (lambda x, y: (x, np.where(np.arange(len(y)) < 1, "few", "many")), "class few has 1 different image, fewer"),
    ],
)
def test_other_data_is_refused_in_a_sentence(
    change: Callable[[NDArray[Any], NDArray[Any]], tuple[Any, Any]], message: str, handful: Digits
) -> None:
    with pytest.raises(ValueError, match=message):
        FoldEnsembleClassifier(TINY).fit(*change(handful.train_images, handful.train_labels))
