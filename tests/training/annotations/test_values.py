import numpy as np
import pytest

from dcis_node.errors import TrainingError
from training.annotations.values import labels_of


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 1], [0, 1]),
        ([0, 2], [0, 2]),
        ([0, 1, 2], [0, 1, 2]),
        ([0, 255], [0, 1]),
        ([0, 65535], [0, 1]),
        ([0.0, 1.0, 2.0], [0, 1, 2]),
        ([False, True], [0, 1]),
        ([0, 0], [0, 0]),
    ],
)
def test_labels_and_white_masks_are_read(values, labels):
    read = labels_of(np.array([values]), file="m")
    assert (read.dtype, read.tolist()) == (np.uint8, [labels])


@pytest.mark.parametrize("values", [[0, 3], [0, 1, 255], [0, 128], [0, 0.5], [0, -1], [0, np.nan], [0, 127, 255]])
def test_any_other_value_is_refused(values):
    with pytest.raises(TrainingError, match="m: unknown label values"):
        labels_of(np.array([values]), file="m")
