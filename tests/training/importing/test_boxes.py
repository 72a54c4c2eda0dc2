import numpy as np

from training.annotations.annotation import ImageFacts
from training.importing.boxes import box_labels, outline_labels

IMAGE = ImageFacts("1.2", 10, 8)


def test_a_box_holds_both_its_corners_in_either_order():
    expected = np.zeros((10, 8), np.uint8)
    expected[2:5, 1:4] = 1

    assert np.array_equal(box_labels([(1, 2, 3, 4)], IMAGE), expected)
    assert np.array_equal(box_labels([(3, 4, 1, 2)], IMAGE), expected)


def test_what_leaves_the_image_is_cut_off():
    assert box_labels([(-5, -5, 1, 0)], IMAGE).sum() == 2
    assert box_labels([(6, 8, 100, 100)], IMAGE).sum() == 4
    assert box_labels([(-5, -5, -1, -1), (8, 0, 9, 3)], IMAGE).sum() == 0


def test_one_or_two_points_are_pixels_and_more_are_filled():
    labels = outline_labels([([(1.0, 1.0)], True), ([(6.0, 1.0), (6.4, 2.6)], True)], IMAGE)
    assert np.argwhere(labels == 2).tolist() == [[1, 1], [1, 6], [3, 6]]

    square = [(0.5, 3.5), (3.5, 3.5), (3.5, 6.5), (0.5, 6.5)]  # round the centres of columns 1-3, rows 4-6
    labels = outline_labels([(square, False)], IMAGE)
    assert np.argwhere(labels).min(axis=0).tolist() == [4, 1]
    assert np.argwhere(labels).max(axis=0).tolist() == [6, 3]
    assert labels.sum() == 9


def test_calcifications_lie_over_their_cluster_whatever_the_order():
    cluster = [(0.0, 0.0), (7.0, 0.0), (7.0, 9.0), (0.0, 9.0)]

    labels = outline_labels([([(3.0, 3.0)], True), (cluster, False)], IMAGE)

    assert labels[3, 3] == 2
    assert labels[5, 5] == 1


def test_points_outside_the_image_draw_nothing_there():
    assert not outline_labels([([(-3.0, 4.0)], True), ([(50.0, 50.0), (60.0, 50.0), (60.0, 60.0)], False)], IMAGE).any()
    assert outline_labels([([(-4.0, 2.0), (3.0, 2.0), (3.0, 20.0), (-4.0, 20.0)], False)], IMAGE).any()
