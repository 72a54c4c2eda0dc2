import numpy as np
import pytest

from training.crops import open_store
from training.phantoms import group_patient, make_regions, phantom_seed


def test_no_two_patients_of_a_run_share_a_seed():
    seeds = {
        phantom_seed(seed, group, number)
        for seed in (0, 1)
        for group in ("pretraining", "training", "calibration", "test")
        for number in range(500)
    }
    assert len(seeds) == 2 * 4 * 500


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regions")
    make_regions(folder, seed=1, group="training", patients=3, region_mm=20.0, negatives=1, log=folder / "progress.csv")
    return open_store(folder)


def test_a_patient_gives_two_lesion_views_and_some_a_healthy_region(store):
    views = [region.view for region in store.regions]
    assert [(v.patient, v.view, v.grade > 0) for v in views if v.patient == "training-00001"] == [
        ("training-00001", "CC", True), ("training-00001", "MLO", True)
    ]  # fmt: skip
    assert sum(v.grade == 0 for v in views) == 1


def test_a_region_carries_its_patients_truth(store):
    for region in store.regions:
        number = int(region.view.patient[-5:])
        patient = group_patient(1, "training", number)
        assert region.view.vendor == patient.vendor.name
        assert region.spacing_mm == patient.vendor.pitch_mm
        if region.view.grade:
            assert region.view.grade == patient.lesion.grade
            assert region.view.laterality == patient.lesion_laterality


def test_a_lesion_region_holds_calcifications_round_its_centre_and_a_healthy_one_none(store):
    for index, region in enumerate(store.regions):
        labels = store.labels(index)
        if region.view.grade:
            rows, columns = np.nonzero(labels == 2)
            assert rows.min() <= region.centre[0] <= rows.max()
            assert columns.min() <= region.centre[1] <= columns.max()
        else:
            assert not labels.any()
