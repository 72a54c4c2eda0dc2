import numpy as np
import pytest

from dcis_node.phantom.patient import generate_patient
from training.phantom_facts import density_letter, phantom_facts

N = 500


@pytest.fixture(scope="module")
def drawn():
    patients = [generate_patient(seed) for seed in range(N)]
    return [(patient, phantom_facts(patient)) for patient in patients]


def test_ages_and_detection_come_with_the_shares_of_the_paper(drawn):
    ages = np.array([facts.age for _, facts in drawn])
    younger = [np.mean(ages <= quartile) for quartile in (49, 54, 62)]
    assert younger == pytest.approx((0.25, 0.5, 0.75), abs=0.06)
    assert np.mean([facts.detection == "screening" for _, facts in drawn]) == pytest.approx(0.539, abs=0.06)


def test_surgery_finds_a_higher_grade_than_the_biopsy_as_often_as_in_the_paper(drawn):
    known = [(p.lesion.grade, f.grade_biopsy) for p, f in drawn if f.grade_biopsy is not None]
    assert len(known) == pytest.approx(331 / 464 * N, abs=0.07 * N)
    higher = [at_surgery > at_biopsy for at_surgery, at_biopsy in known]
    assert np.mean(higher) == pytest.approx(47 / 331, abs=0.055)
    lower = [at_surgery < at_biopsy for at_surgery, at_biopsy in known]
    assert 0.005 < np.mean(lower) < 0.08


def test_densities_rise_with_the_share_of_glandular_tissue(drawn):
    assert [density_letter(share) for share in (0.05, 0.3, 0.6, 0.9)] == ["a", "b", "c", "d"]
    shares = [np.mean([facts.density == letter for _, facts in drawn]) for letter in "abcd"]
    assert shares == pytest.approx((0.10, 0.40, 0.40, 0.10), abs=0.07)


def test_equal_seeds_give_equal_facts_and_the_healthy_have_no_grade():
    assert phantom_facts(generate_patient(3)) == phantom_facts(generate_patient(3))
    healthy = phantom_facts(generate_patient(3, lesion=False))
    assert (healthy.grade_biopsy, healthy.size_mm) == (None, None)
