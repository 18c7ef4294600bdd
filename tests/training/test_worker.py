from __future__ import annotations

from dataclasses import replace

import pytest

from kaggle_mnist.data.digits import Digits, WithheldLabels
from tests.conftest import same_digits

pytest.importorskip("distributed")

from kaggle_mnist.training.worker import BringDigits


def test_labels_of_a_test_set_are_not_sent_to_workers(handful: Digits) -> None:
    labeled = replace(handful, withheld=WithheldLabels(handful.train_labels[:12]))
    sent = BringDigits("digits", labeled).digits
    assert sent is not None
    assert same_digits(sent, handful)
    assert sent.withheld is None
