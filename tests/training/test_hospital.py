import csv
import hashlib
from collections import Counter

import numpy as np
import pydicom
import pytest

from dcis_node.errors import TrainingError
from dcis_node.mammogram.eligibility import judge
from dcis_node.mammogram.header import read_header
from dcis_node.phantom.patient import generate_patient
from training.cohort import CohortView
from training.hospital import make_hospital, place_oddities
from training.hospital_patient import ODDITIES
from training.images_phantom import load_phantom_view, read_word
from training.importing.clinical import read_clinical
from training.phantom_cohort import PhantomPlan

SIZE = (384, 320)
PLAN = PhantomPlan(10, 7, 100, size=SIZE, vendors={"hologic": 1.0, "siemens": 1.0})


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return make_hospital(tmp_path_factory.mktemp("hospital"), PLAN, odd=10)


@pytest.fixture(scope="module")
def files(hospital):
    return [(path, pydicom.dcmread(path)) for path in sorted((hospital.folder / "images").rglob("*.dcm"))]


@pytest.fixture(scope="module")
def truth(hospital):
    with (hospital.folder / "truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def patient_of(hospital, oddity):
    number = next(number for number, name in hospital.odd.items() if name == oddity)
    return f"SYN7-p{100 + number:07d}"


def test_all_files_say_that_they_are_synthetic(hospital, files):
    assert "SYNTHETIC" in (hospital.folder / "README.txt").read_text()
    for _, ds in files:
        assert "SYNTHETIC" in str(ds.PatientName)
        assert "NOT A PATIENT" in ds.ImageComments


def test_the_pixels_are_those_of_the_phantom_that_the_truth_names(hospital, files, truth):
    words = {row["file"]: row["phantom"] for row in truth}
    mirrored = patient_of(hospital, "mirrored")
    seen = 0
    for path, ds in files:
        if path.stem.endswith("-1") or "-again" in path.parent.name:
            word = words[str(path.relative_to(hospital.folder / "images"))]
            drawn = load_phantom_view(CohortView("p", "L", "CC", 0, upstaged=False, file=word)).stored
            step = -1 if ds.PatientID == mirrored else 1
            assert np.array_equal(ds.pixel_array, drawn[:, ::step])
            seen += 1
    assert seen == 11


def test_the_clinical_table_is_one_that_the_import_reads_and_tells_the_truth(hospital, truth):
    table = read_clinical(hospital.folder / "clinical.csv")
    seeds = {100 + number: PLAN.patient_seed(number) for number in range(10)}
    assert len(table.rows) == 9
    for row in table.rows:
        seed = seeds[int(row.patient_id[-7:])]
        vendor = PLAN.vendor(seed - PLAN.patient_seed(0))
        patient = generate_patient(seed, vendor=vendor, size=SIZE)
        assert (row.grade_surgery, row.invasive) == (patient.lesion.grade, patient.lesion.upstaged)
        assert row.laterality == patient.lesion_laterality
        assert row.size_mm == pytest.approx(patient.lesion.extent_mm, abs=0.06)
        assert row.density in "abcd"
        assert row.detection in ("screening", "symptomatic")
    assert {read_word(row["phantom"]).seed for row in truth} == set(seeds.values())


def test_each_odd_thing_is_there_once(hospital, files):
    assert list(hospital.odd.values()) == list(ODDITIES)
    rows = {row.patient_id: row for row in read_clinical(hospital.folder / "clinical.csv").rows}
    assert patient_of(hospital, "no_label") not in rows
    assert [row.patient_id for row in rows.values() if row.lcis] == [patient_of(hospital, "lcis")]
    assert [row.patient_id for row in rows.values() if row.mass_or_distortion] == [patient_of(hospital, "mass")]
    young = [row.patient_id for row in rows.values() if row.age < 18]
    assert young == [patient_of(hospital, "under_age")]
    suspected = [row.patient_id for row in rows.values() if row.invasive_at_biopsy]
    assert suspected == [patient_of(hospital, "invasive_at_biopsy")]
    reasons = Counter((judge(read_header(ds)).reason.value, ds.PatientID) for _, ds in files)
    assert reasons["magnification_view", patient_of(hospital, "magnification_view")] == 1
    assert reasons["for_processing", patient_of(hospital, "for_processing")] == 1
    assert reasons["under_18", patient_of(hospital, "under_age")] == 4
    assert sum(count for (reason, _), count in reasons.items() if reason != "eligible") == 6


def test_a_resent_image_has_equal_identity_and_pixels_in_other_bytes(hospital, files):
    instances = Counter(ds.SOPInstanceUID for _, ds in files)
    twice = [uid for uid, count in instances.items() if count == 2]
    assert len(twice) == 1
    (one, first), (two, second) = ((path, ds) for path, ds in files if ds.SOPInstanceUID == twice[0])
    assert first.PatientID == patient_of(hospital, "resent")
    assert np.array_equal(first.pixel_array, second.pixel_array)
    assert first.file_meta.TransferSyntaxUID != second.file_meta.TransferSyntaxUID
    assert one.read_bytes() != two.read_bytes()


def test_both_views_of_a_lesion_are_annotated_in_the_formats_of_several_tools(hospital, files):
    names = [path.name for path in (hospital.folder / "annotations").iterdir()]
    assert len(names) == hospital.annotations == 2 * 9
    assert {name.partition(".")[2] for name in names} == {"seg.nrrd", "nrrd", "nii.gz", "png", "dcm"}
    images = {path.stem: ds for path, ds in files}
    annotated = Counter(images[name.partition(".")[0]].PatientID for name in names)
    assert set(annotated.values()) == {2}
    assert patient_of(hospital, "no_annotation") not in annotated


def test_two_processes_make_the_same_images_as_one(hospital, tmp_path):
    plan = PhantomPlan(2, 7, 100, size=SIZE, vendors=PLAN.vendors)
    made = make_hospital(tmp_path / "again", plan, odd=0, processes=2)
    for path in sorted((made.folder / "images").rglob("*.dcm")):
        first = hospital.folder / "images" / path.relative_to(made.folder / "images")
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest()


def test_a_folder_with_anything_in_it_is_refused(hospital):
    with pytest.raises(TrainingError, match="not empty"):
        make_hospital(hospital.folder, PLAN)


def test_odd_things_are_spread_and_never_more_than_patients():
    assert place_oddities(60, 3) == {0: "magnification_view", 20: "no_label", 40: "lcis"}
    assert place_oddities(4, 0) == {}
    assert len(place_oddities(12, 12)) == 12
    with pytest.raises(TrainingError, match="0 to 4 are allowed"):
        place_oddities(4, 5)
