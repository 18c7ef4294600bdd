import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from kaggle_mnist.recipes.recipe import Recipe
from kaggle_mnist.training import metrics

Y = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4, 9])
OUTPUTS = np.full((12, 10), 0.01, np.float32)
OUTPUTS[np.arange(12), Y] = 0.91
OUTPUTS[11] = OUTPUTS[10]  # the last 9 is taken for a 4


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert metrics.accuracy(OUTPUTS, Y) == pytest.approx(11 / 12)


def test_loss_is_what_the_recipe_trains_without_smoothing() -> None:
    squared = Recipe(loss="squared_error", targets=(0.01, 0.99))
    right, wrong = 0.08**2 / 10, (0.9**2 + 0.98**2) / 10
    assert metrics.loss(OUTPUTS, Y, squared) == pytest.approx((11 * right + wrong) / 12)
    cross = Recipe(label_smoothing=0.1)
    assert metrics.loss(OUTPUTS, Y, cross) == pytest.approx(-(11 * np.log(0.91) + np.log(0.01)) / 12, rel=1e-5)


def test_fold_scores_have_a_row_for_each_member_with_its_own_images() -> None:
    fold_of = np.array([[0] * 6 + [1] * 6, [0, 1] * 6])
    table = metrics.fold_scores(np.stack([OUTPUTS, OUTPUTS]), Y, fold_of, Recipe())
    assert table[["repeat", "fold", "images"]].to_numpy().tolist() == [[0, 0, 6], [0, 1, 6], [1, 0, 6], [1, 1, 6]]
    np.testing.assert_allclose(table.accuracy, [1, 5 / 6, 1, 5 / 6])


def test_confusion_counts_true_by_predicted() -> None:
    table = metrics.confusion(OUTPUTS, Y)
    assert table.loc[9, 4] == 1
    assert table.loc[4, 9] == 0
    assert table.to_numpy().trace() == 11
    assert table.index.name == "true"


def test_precision_and_recall_go_by_digit() -> None:
    table = metrics.digit_scores(OUTPUTS, Y).set_index("digit")
    assert table.recall[9] == pytest.approx(1 / 2)
    assert table.precision[4] == pytest.approx(2 / 3)
    assert table.images.tolist() == [1, 1, 1, 1, 2, 1, 1, 1, 1, 2]


def test_reliability_bins_images_by_their_confidence() -> None:
    confidence, right = np.array([0.95, 0.97, 0.99, 0.64, 0.66, 0.5]), np.array([True, True, False, True, False, True])
    outputs = np.zeros((6, 10), np.float32)
    outputs[:, 0], outputs[:, 1] = confidence, 1 - confidence
    table = metrics.reliability(outputs, np.where(right, 0, 1), bins=10)
    np.testing.assert_allclose(table["from"], [0.4, 0.6, 0.9])
    np.testing.assert_allclose(table.to, [0.5, 0.7, 1])
    assert table.images.tolist() == [1, 2, 3]
    np.testing.assert_allclose(table.confidence, [0.5, 0.65, 0.97], rtol=1e-6)
    np.testing.assert_allclose(table.accuracy, [1, 1 / 2, 2 / 3])
    expected = (1 * 0.5 + 2 * 0.15 + 3 * (0.97 - 2 / 3)) / 6
    found = metrics.expected_calibration_error(outputs, np.where(right, 0, 1), bins=10)
    assert found == pytest.approx(expected, rel=1e-5)


def test_reliability_is_scikit_learns_calibration_curve_of_outputs_scaled_to_one() -> None:
    generator = np.random.default_rng(0)
    outputs = generator.random((500, 10), np.float32) ** 8
    y_true = np.where(generator.random(500) < 0.6, outputs.argmax(1), generator.integers(0, 10, 500))
    table = metrics.reliability(outputs, y_true)
    confidence = metrics.shares_of(outputs).max(1)
    accuracy, mean = calibration_curve(outputs.argmax(1) == y_true, confidence, n_bins=metrics.BINS)
    np.testing.assert_allclose(table.accuracy, accuracy)
    np.testing.assert_allclose(table.confidence, mean)
    assert table.images.sum() == 500
