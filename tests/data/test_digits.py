from dataclasses import replace

import numpy as np

from kaggle_mnist.data.digits import Digits


def test_any_changed_pixel_label_or_order_changes_the_fingerprint(handful: Digits) -> None:
    pixel, label, test = handful.train_images.copy(), handful.train_labels.copy(), handful.test_images.copy()
    pixel[3, 14, 14] ^= 1
    label[5] = (label[5] + 1) % 10
    others = [
        replace(handful, train_images=pixel),
        replace(handful, train_labels=label),
        replace(handful, test_images=test[::-1]),
        replace(handful, train_images=np.concatenate([handful.train_images, test[:1]]), test_images=test[1:]),
    ]
    assert len({digits.fingerprint for digits in [handful, *others]}) == 5


def test_the_fingerprint_does_not_depend_on_the_source(handful: Digits) -> None:
    assert replace(handful, source="Kaggle CSV", path="elsewhere").fingerprint == handful.fingerprint


def test_ids_start_at_1_and_counts_are_per_digit(handful: Digits) -> None:
    assert handful.test_ids.tolist() == list(range(1, 13))
    assert handful.counts.sum() == 120
    assert handful.counts[7] == (handful.train_labels == 7).sum()


def test_a_copy_is_any_image_with_the_pixels_of_an_earlier_one(handful: Digits) -> None:
    order = [3, 5, 3, 8, 5, 3]
    repeated = replace(handful, train_images=handful.train_images[order], train_labels=handful.train_labels[order])
    assert repeated.first_same.tolist() == [0, 1, 0, 3, 1, 0]
    assert repeated.copies.tolist() == [False, False, True, False, True, True]
