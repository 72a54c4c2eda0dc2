import numpy as np
import pytest

from dcis_node.phantom.calcifications import project
from dcis_node.phantom.patient import VIEWS, generate_patient
from dcis_node.phantom.vendor import VENDORS


def test_equal_seeds_give_equal_patients_and_other_seeds_others():
    assert generate_patient(11) == generate_patient(11)
    assert generate_patient(11) != generate_patient(12)


def test_a_choice_is_kept():
    patient = generate_patient(1, vendor="siemens", grade=2, laterality="R", lut="none", size=(512, 400))
    assert (patient.vendor.name, patient.lesion.grade, patient.lesion_laterality) == ("siemens", 2, "R")
    assert (patient.lut, patient.vendor.rows, patient.vendor.columns) == ("none", 512, 400)


def test_a_healthy_woman_has_no_calcifications_of_a_lesion():
    patient = generate_patient(1, lesion=False)
    assert (patient.lesion, patient.lesion_laterality, patient.calcifications) == (None, None, ())


@pytest.mark.parametrize(
    "wrong",
    [{"vendor": "kodak"}, {"grade": 4}, {"laterality": "B"}, {"lut": "gamma"}, {"size": (100, 100)}],
)
def test_an_unknown_choice_is_refused(wrong):
    with pytest.raises(ValueError):
        generate_patient(1, **wrong)


def test_every_vendor_is_met_in_a_mixed_cohort():
    assert {generate_patient(seed, lesion=False).vendor.name for seed in range(150)} == set(VENDORS)


@pytest.mark.parametrize("seed", range(15))
def test_the_lesion_lies_within_the_breast_in_both_views(seed):
    patient = generate_patient(seed, vendor="hologic")
    for view in VIEWS:
        geometry = patient.geometry(patient.lesion_laterality, view)
        points = np.array([(s.x_mm, s.y_mm) for s in project(patient.calcifications, geometry)])
        assert geometry.inside_mm(points).min() > 0.5
        assert points.min() > 0


@pytest.mark.parametrize("seed", range(15))
def test_both_views_show_one_cluster(seed):
    patient = generate_patient(seed, vendor="hologic")
    cc, mlo = (patient.geometry(patient.lesion_laterality, view) for view in VIEWS)
    a, b = (project(patient.calcifications, g) for g in (cc, mlo))
    assert len(a) == len(b) == patient.lesion.count
    depths = [np.array([g.nipple[0] - s.x_mm for s in shapes]) for g, shapes in ((cc, a), (mlo, b))]
    assert depths[0] == pytest.approx(depths[1])
    assert [s.width_mm for s in a] == [s.width_mm for s in b]


@pytest.mark.parametrize("seed", range(15))
def test_the_extent_is_that_of_the_calcifications(seed):
    patient = generate_patient(seed, vendor="hologic")
    points = np.array([c.position for c in patient.calcifications])
    widest = np.sqrt(((points[:, None] - points[None, :]) ** 2).sum(axis=-1)).max()
    assert 0.95 * patient.lesion.extent_mm < widest < 1.5 * patient.lesion.extent_mm


def test_few_lesions_had_to_shrink_to_fit():
    drawn = [generate_patient(seed, vendor="hologic").lesion.extent_mm for seed in range(150)]
    assert np.mean(drawn) == pytest.approx(24.0, abs=4.5)


def test_the_lesion_as_drawn_is_kept_beside_the_one_that_was_fitted_in():
    small = generate_patient(5, vendor="hologic", size=(256, 256))
    assert small.lesion.extent_mm < small.drawn_lesion.extent_mm
    assert (small.lesion.grade, small.lesion.morphology, small.lesion.size_scale) == (
        small.drawn_lesion.grade, small.drawn_lesion.morphology, small.drawn_lesion.size_scale
    )  # fmt: skip
    assert small.drawn_lesion == generate_patient(5, vendor="ge").drawn_lesion
    assert generate_patient(5, lesion=False).drawn_lesion is None
