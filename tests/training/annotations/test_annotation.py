import numpy as np
import pytest

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import IMAGE, OTHER_UID, UID, l_shape
from training.annotations.annotation import annotation, check_references, readable


def test_parts_that_touch_at_a_corner_are_one():
    labels = l_shape()
    labels[0, 20] = labels[1, 19] = labels[32, 0] = 1
    assert annotation(labels, IMAGE, file="m", kind="png").parts == 3


def test_an_empty_and_an_inverted_mask_are_refused():
    with pytest.raises(TrainingError, match="m: nothing is annotated, the mask is empty"):
        annotation(np.zeros_like(l_shape()), IMAGE, file="m", kind="png")
    with pytest.raises(TrainingError, match="inverted"):
        annotation((l_shape() == 0).astype(np.uint8), IMAGE, file="m", kind="png")


def test_a_biopsied_part_of_no_pixel_is_none():
    nowhere = np.zeros(IMAGE.shape, bool)
    assert annotation(l_shape(), IMAGE, file="m", kind="png", biopsied=nowhere).biopsied is None


def test_a_file_of_other_images_is_refused_without_telling_which():
    check_references((), IMAGE, file="m")
    check_references((OTHER_UID, UID), IMAGE, file="m")
    with pytest.raises(TrainingError, match="another image, it does not reference this one") as refused:
        check_references((OTHER_UID,), IMAGE, file="m")
    assert OTHER_UID not in str(refused.value)


def test_what_a_library_says_of_a_broken_file_is_not_told():
    with (
        pytest.raises(TrainingError, match=r"^m: cannot be read as PNG \(ValueError\)$") as refused,
        readable("m", "PNG"),
    ):
        raise ValueError("Muster^Anna")
    assert refused.value.__suppress_context__
