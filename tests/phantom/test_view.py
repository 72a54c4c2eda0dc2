import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from dcis_node.phantom.noise import Window
from dcis_node.phantom.patient import generate_patient
from dcis_node.phantom.view import plan_view, render

SMALL = (704, 576)


@pytest.fixture(scope="module", params=["hologic", "ge", "fuji"])
def pair(request):
    """Give one view, and the same view without its lesion."""
    patient = generate_patient(5, vendor=request.param, grade=3, laterality="L", size=SMALL)
    plan = plan_view(patient, "L", "MLO")
    return render(plan, plan.frame), render(replace(plan, lesion_shapes=()), plan.frame)


def test_every_pixel_of_the_calcification_mask_was_changed_by_the_lesion(pair):
    sick, healthy = pair
    changed = sick.stored != healthy.stored
    assert sick.calcification_mask.any()
    assert changed[sick.calcification_mask].all()


def test_nothing_changes_far_from_the_calcification_mask(pair):
    sick, healthy = pair
    near = binary_dilation(sick.calcification_mask, iterations=8)
    assert not (sick.stored != healthy.stored)[~near].any()


def test_the_mask_holds_most_of_the_lesions_signal(pair):
    sick, healthy = pair
    added = np.abs(sick.stored.astype(np.int64) - healthy.stored.astype(np.int64))
    assert added[sick.calcification_mask].sum() > 0.6 * added.sum()


def test_the_region_holds_the_calcifications_with_a_rim(pair):
    sick, healthy = pair
    assert not (sick.calcification_mask & ~sick.lesion_mask).any()
    assert sick.lesion_mask.sum() > 2 * sick.calcification_mask.sum()
    assert not healthy.lesion_mask.any()
    assert not healthy.calcification_mask.any()


@pytest.mark.parametrize("vendor", ["hologic", "ge", "siemens", "fuji"])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_any_window_equals_the_same_place_of_the_whole_view(vendor, view):
    patient = generate_patient(9, vendor=vendor, laterality="L", size=SMALL)
    plan = plan_view(patient, "L", view)
    whole = render(plan, plan.frame)
    for window in (Window(0, 0, 333, 257), Window(101, 77, 400, 301), Window(371, 276, 333, 300)):
        part = render(plan, window)
        place = np.s_[window.row : window.row + window.rows, window.column : window.column + window.columns]
        assert np.array_equal(part.stored, whole.stored[place])
        assert np.array_equal(part.calcification_mask, whole.calcification_mask[place])
        assert np.array_equal(part.lesion_mask, whole.lesion_mask[place])


def test_air_and_marker_span_the_full_range_of_every_view():
    for vendor, ends in (("hologic", (0, 4095)), ("ge", (90, 4095)), ("fuji", (0, 16383))):
        plan = plan_view(generate_patient(2, vendor=vendor, size=SMALL), "R", "CC")
        stored = render(plan, plan.frame).stored
        assert (stored.min(), stored.max()) == ends


def test_a_vendor_with_inverted_values_stores_air_as_the_largest():
    plan = plan_view(generate_patient(2, vendor="fuji", size=SMALL), "R", "CC")
    assert render(plan, plan.frame).stored[5, -5] == plan.vendor.top


def test_the_texture_of_the_breast_has_the_slope_of_real_mammograms():
    slopes = [_slope(seed) for seed in range(3)]
    # Real files measured: 2.66 to 3.09 on average, spread 0.5 (facts of this project); PMC3298563: 3.2.
    assert 2.2 < np.mean(slopes) < 3.6


def _slope(seed):
    patient = generate_patient(seed, vendor="hologic", lesion=False)
    plan = plan_view(replace(patient, noise=0.0), "L", "CC")
    x, y = plan.geometry.nipple
    size = 384
    row, column = round(y / 0.07) - size // 2, round((x - 42.0) / 0.07) - size // 2
    part = render(plan, Window(row, column, size, size)).stored.astype(float)
    power = np.abs(np.fft.fft2((part - part.mean()) * np.hanning(size)[:, None] * np.hanning(size))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size, 0.07), np.fft.fftfreq(size, 0.07)))
    edges = np.geomspace(0.15, 1.0, 8)
    rings = [power[(frequency >= a) & (frequency < b)].mean() for a, b in itertools.pairwise(edges)]
    return -np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(rings), 1)[0]
