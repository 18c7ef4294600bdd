import numpy as np

from kaggle_mnist.data import practice as practice_module
from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.practice import FINGERPRINT, open_withheld_labels


def test_it_has_42000_labeled_and_28000_unlabeled_digits(practice: Digits) -> None:
    assert practice.train_images.shape == (42_000, 28, 28)
    assert practice.test_images.shape == (28_000, 28, 28)
    assert practice.train_images.dtype == np.uint8


def test_its_fingerprint_never_changes(practice: Digits) -> None:
    assert practice.fingerprint == FINGERPRINT


def test_all_labels_together_are_those_of_mnist(practice: Digits) -> None:
    counts = practice.counts + np.bincount(open_withheld_labels())
    # The published counts of the digits 0 to 9 among MNIST's 60,000 + 10,000 images.
    assert counts.tolist() == [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]


def test_the_withheld_labels_match_the_test_images(practice: Digits) -> None:
    """The mean labeled image of each digit classifies most of the test images correctly."""
    templates = np.stack([practice.train_images[practice.train_labels == digit].mean(0) for digit in range(10)])
    flat, templates = practice.test_images.reshape(-1, 784).astype(float), templates.reshape(10, 784)
    nearest = ((templates**2).sum(1) - 2 * flat @ templates.T).argmin(1)
    assert (nearest == open_withheld_labels()).mean() > 0.8


def test_the_withheld_labels_are_not_loaded(practice: Digits) -> None:
    assert {array.shape[0] for array in vars(practice).values() if isinstance(array, np.ndarray)} == {42_000, 28_000}
    assert practice.train_labels.shape == (42_000,)
    assert len(practice_module.open_withheld_labels()) == 28_000
