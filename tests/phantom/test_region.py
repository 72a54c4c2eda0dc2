import numpy as np
import pytest

from dcis_node.mammogram.display import choose, transforms
from dcis_node.phantom.exam import generate_view
from dcis_node.phantom.patient import generate_patient
from dcis_node.phantom.region import generate_negative_region, generate_region, view_transforms
from dcis_node.phantom.vendor import LUT_KINDS, VENDORS, display_dataset

SMALL = (704, 576)


@pytest.mark.parametrize("side", ["R", "L"])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_a_region_equals_the_same_place_of_the_stored_view(side, view):
    patient = generate_patient(4, vendor="hologic", laterality=side, size=SMALL)
    whole = generate_view(patient, side, view)
    region = generate_region(patient, view, size_px=300, rng=np.random.default_rng(0), shift_px=40)
    place = np.s_[region.origin[0] : region.origin[0] + 300, region.origin[1] : region.origin[1] + 300]
    assert np.array_equal(region.stored, whole.stored[place])
    assert np.array_equal(region.calcification_mask, whole.calcification_mask[place])
    assert np.array_equal(region.lesion_mask, whole.lesion_mask[place])
    assert region.patient_orientation == whole.patient_orientation


@pytest.mark.parametrize("side", ["R", "L"])
def test_a_region_is_centred_on_the_lesion_and_says_where_it_is(side):
    patient = generate_patient(3, vendor="hologic", laterality=side)
    region = generate_region(patient, "CC", size_px=400, rng=np.random.default_rng(0))
    rows, columns = np.nonzero(region.calcification_mask)
    assert region.centre == ((rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2)
    assert region.centre == pytest.approx((200, 200), abs=2.0)
    assert region.grade == patient.lesion.grade


def test_a_region_never_leaves_the_frame_and_a_large_one_is_the_frame():
    patient = generate_patient(4, vendor="hologic", size=SMALL)
    region = generate_region(patient, "MLO", size_px=2000, rng=np.random.default_rng(0))
    assert region.stored.shape == SMALL
    assert region.origin == (0, 0)


def test_a_negative_region_has_no_lesion_and_holds_breast():
    rng = np.random.default_rng(3)
    for seed in range(6):
        patient = generate_patient(seed, vendor="hologic", size=SMALL)
        region = generate_negative_region(patient, "MLO", size_px=256, rng=rng)
        assert region.laterality != patient.lesion_laterality
        assert not region.calcification_mask.any()
        assert not region.lesion_mask.any()
        assert (region.grade, region.centre) == (None, None)
        grey = choose(region.transforms).apply(region.stored)
        assert (grey > 0.02).mean() > 0.005


def test_negative_regions_come_from_all_over_the_view():
    rng = np.random.default_rng(1)
    patient = generate_patient(3, vendor="hologic", lesion=False, size=SMALL)
    origins = np.array([generate_negative_region(patient, "CC", size_px=200, rng=rng).origin for _ in range(24)])
    assert np.ptp(origins, axis=0).min() > 150


def test_the_side_with_the_lesion_is_refused_as_negative_and_a_healthy_patient_as_positive():
    patient = generate_patient(1, size=SMALL)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError):
        generate_negative_region(patient, "CC", size_px=200, rng=rng, laterality=patient.lesion_laterality)
    with pytest.raises(ValueError):
        generate_region(generate_patient(1, lesion=False, size=SMALL), "CC", size_px=200, rng=rng)


@pytest.mark.parametrize("lut", LUT_KINDS)
@pytest.mark.parametrize("vendor", ["hologic", "ge", "fuji"])
def test_a_regions_transforms_show_it_as_the_headers_show_the_whole_view(lut, vendor):
    patient = generate_patient(4, vendor=vendor, lut=lut, laterality="L", size=SMALL)
    whole = generate_view(patient, "L", "CC").stored
    region = generate_region(patient, "CC", size_px=256, rng=np.random.default_rng(0))
    place = np.s_[region.origin[0] : region.origin[0] + 256, region.origin[1] : region.origin[1] + 256]
    from_header = transforms(display_dataset(patient.vendor, lut))
    assert [t.name for t in region.transforms] == [t.name for t in from_header]
    for given, read in zip(region.transforms, from_header, strict=True):
        np.testing.assert_allclose(given.apply(region.stored), read.apply(whole)[place], atol=1e-6)


@pytest.mark.parametrize("vendor", list(VENDORS))
def test_every_vendors_normal_presentation_uses_the_grey_scale(vendor):
    patient = generate_patient(4, vendor=vendor, lesion=False, size=SMALL)
    view = generate_view(patient, "L", "CC")
    grey = choose(view.transforms).apply(view.stored)
    assert grey[5, -5] < 0.05
    breast = grey[grey > 0.06]
    assert 0.1 < np.median(breast) < 0.75
    assert np.percentile(breast, 99) > 0.3


def test_an_unknown_grey_scale_is_refused():
    with pytest.raises(ValueError):
        view_transforms(VENDORS["hologic"], "gamma")
