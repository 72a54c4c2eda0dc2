import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcis_node.errors import TrainingError
from tests.training.importing.telling import reasons, step
from training.annotations.writing import write_dicom_seg, write_nifti, write_seg_nrrd
from training.images import load_view
from training.importing.flow import FIRST, HEALTHY, LAST, LESIONS


def test_a_hospital_becomes_rows_with_the_truth_of_the_specimen_on_the_annotated_side(hospital):
    hospital.patient(
        "7654321",
        grade_surgery="III",
        invasive="yes",
        grade_biopsy="2",
        age="57",
        size_mm="12,5",
        density="C",
        detection="screen-detected",
    )

    cohort = hospital.import_it()

    lesions = [view for view in cohort.views if view.lesion]
    healthy = [view for view in cohort.views if not view.lesion]
    assert [(v.laterality, v.view) for v in lesions] == [("R", "CC"), ("R", "MLO")]
    assert [(v.laterality, v.view) for v in healthy] == [("L", "CC"), ("L", "MLO")]
    first = lesions[0]
    assert (first.grade, first.upstaged, first.grade_biopsy) == (3, True, 2)
    assert (first.age, first.size_mm, first.density, first.detection) == (57, 12.5, "c", "screening")
    assert (first.rows, first.columns, first.spacing_mm) == (256, 192, (0.07, 0.07))
    assert (first.vendor, first.annotation, first.weak) == ("hologic", "png", False)
    assert healthy[0].grade == 0
    assert not healthy[0].upstaged
    assert cohort.synthetic
    assert step(cohort, FIRST) == step(cohort, LAST) == (1, 4)


def test_the_loaded_labels_are_those_that_were_drawn(hospital):
    hospital.patient("7654321")

    cohort = hospital.import_it()

    for row, number in zip([v for v in cohort.views if v.lesion], (0, 2), strict=True):
        loaded = load_view(cohort, row)
        assert np.array_equal(loaded.labels, hospital.labels(number))
        assert loaded.stored[:-1].tolist() == hospital.exam.views[number].stored[:-1].tolist()
        assert not loaded.mirrored


def test_nothing_of_a_hospital_number_is_in_the_cohort(hospital):
    hospital.patient("7654321")
    hospital.image("7654321", 0, name="other", ImageType=["ORIGINAL", "PRIMARY", "TOMOSYNTHESIS"])
    for path in (hospital.folder / "images").iterdir():  # the hospital gives its files plain names
        path.rename(path.with_name(path.name.replace("7654321", "a")))
    for path in (hospital.folder / "annotations").iterdir():
        path.rename(path.with_name(path.name.replace("7654321", "a")))

    cohort = hospital.import_it()

    for path in cohort.folder.rglob("*"):
        assert "7654321" not in path.name
        assert path.is_dir() or b"7654321" not in path.read_bytes()
    assert cohort.source["paths_with_patient_id"] == 0


def test_paths_that_hold_the_number_are_counted(hospital):
    hospital.patient("7654321")

    assert hospital.import_it().source["paths_with_patient_id"] == 4


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"lcis": "yes"}, "lcis"),
        ({"invasive_at_biopsy": "yes"}, "invasive_at_biopsy"),
        ({"invasive_at_biopsy": "suspicion"}, "invasive_at_biopsy"),
        ({"mass_or_distortion": "yes"}, "mass_or_distortion"),
        ({"poor_quality": "yes"}, "poor_quality"),
        ({"age": "17"}, "under_age"),
        ({"grade_surgery": ""}, "no_label"),
        ({"invasive": "NA"}, "no_label"),
    ],
)
def test_the_papers_exclusions_leave_the_patient_out(hospital, values, reason):
    hospital.patient("1111111")
    hospital.patient("2222222", **values)

    cohort = hospital.import_it()

    left = [e for e in cohort.exclusions if e.subject == "patient"]
    assert [e.reason for e in left] == [reason]
    assert len({view.patient for view in cohort.views}) == 1
    assert step(cohort, f"patients left out: {reason}") == (1, 4)


def test_a_patient_without_images_and_one_without_a_row_are_left_out(hospital):
    hospital.patient("1111111")
    hospital.row("2222222")
    hospital.image("3333333", 0)

    cohort = hospital.import_it()

    assert sorted(e.reason for e in cohort.exclusions) == ["no_label", "no_mammogram"]
    assert step(cohort, FIRST) == (3, 5)
    assert step(cohort, LAST) == (1, 4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, "magnification_view"),
        ({"PaddleDescription": "SPOT"}, "spot_compression_view"),
        ({"ImageType": ["DERIVED", "PRIMARY", "GENERATED_2D"]}, "synthetic_2d"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMOSYNTHESIS"]}, "tomosynthesis"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "for_processing"),
        ({"PatientAge": "017Y"}, "under_18"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary_capture"),
        ({"ImagerPixelSpacing": None}, "no_spacing"),
        ({"PatientID": ""}, "no_patient_id"),
        ({"SOPInstanceUID": ""}, "identifiers_invalid"),
        ({"PhotometricInterpretation": "RGB"}, "pixels_undecodable"),
    ],
)
def test_an_image_that_the_node_would_not_take_is_left_out_for_the_same_reason(hospital, values, reason):
    hospital.patient("1111111")
    hospital.image("1111111", 1, name="odd", **values)

    cohort = hospital.import_it()

    assert reasons(cohort) == {"odd.dcm": reason}
    assert len(cohort.views) == 4
    assert step(cohort, f"images left out: {reason}") == (1, 4)


def test_a_garbled_file_and_a_garbled_annotation_are_listed(hospital):
    hospital.patient("1111111")
    garbled = b"\0" * 128 + b"DICM" + b"\xff" * 60
    (hospital.folder / "images" / "odd.dcm").write_bytes(garbled)
    (hospital.folder / "annotations" / "other.dcm").write_bytes(garbled)
    (hospital.folder / "annotations" / "1111111-2.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    assert reasons(hospital.import_it()) == {
        "odd.dcm": "identifiers_invalid",
        "other.dcm": "annotation_without_image",
        "1111111-2.dcm": "mask_refused",
    }


def test_an_unannotated_image_of_the_affected_breast_is_no_negative(hospital):
    hospital.patient("1111111")
    (hospital.folder / "annotations" / "1111111-2.png").unlink()

    cohort = hospital.import_it()

    assert reasons(cohort) == {"1111111-2.dcm": "no_annotation"}
    assert [(v.laterality, v.view) for v in cohort.views] == [("L", "CC"), ("L", "MLO"), ("R", "CC")]


def test_a_patient_without_any_annotation_goes_with_her_healthy_breast(hospital):
    hospital.patient("1111111")
    hospital.patient("2222222")
    for path in (hospital.folder / "annotations").glob("2222222*"):
        path.unlink()

    cohort = hospital.import_it()

    assert [e.reason for e in cohort.exclusions if e.subject == "patient"] == ["no_annotation"]
    assert len({view.patient for view in cohort.views}) == 1


def test_a_patient_whose_masks_are_all_refused_is_left_out_too(hospital):
    hospital.patient("1111111")
    hospital.patient("2222222")
    for number in (0, 2):
        hospital.png(f"2222222-{number}", np.ones((30, 20), np.uint8))

    cohort = hospital.import_it()

    assert [e.reason for e in cohort.exclusions if e.subject == "patient"] == ["no_usable_image"]
    assert {e.reason for e in cohort.exclusions if e.subject == "image"} == {"mask_size"}
    assert step(cohort, LAST) == (1, 4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda labels: labels.T.copy(), "mask_size"),
        (np.zeros_like, "mask_empty"),
        (np.ones_like, "mask_refused"),
        (lambda labels: labels[:, ::-1].copy(), "mask_outside_breast"),
    ],
)
def test_a_mask_that_does_not_fit_its_image_is_refused(hospital, change, reason):
    hospital.patient("1111111")
    small = np.zeros_like(hospital.labels(2))
    small[100:140, -20:] = 1  # at the chest wall, so that mirrored it lies in the air
    hospital.png("1111111-2", change(small if reason == "mask_outside_breast" else hospital.labels(2)))

    cohort = hospital.import_it()

    assert reasons(cohort) == {"1111111-2.dcm": reason}


def test_a_segmentation_of_another_instance_is_not_taken_by_its_name(hospital):
    hospital.patient("1111111")
    (hospital.folder / "annotations" / "1111111-2.png").unlink()
    elsewhere = hospital.image("elsewhere", 2)
    (hospital.folder / "images" / "elsewhere-2.dcm").unlink()
    write_dicom_seg(hospital.folder / "annotations" / "1111111-2.dcm", elsewhere, hospital.labels(2))

    cohort = hospital.import_it()

    assert reasons(cohort) == {"1111111-2.dcm": "mask_of_another_instance"}


def test_annotations_of_all_kinds_are_paired_and_several_files_of_one_image_are_merged(hospital):
    folder = hospital.folder / "annotations"
    hospital.patient("1111111")
    for path in folder.iterdir():
        path.unlink()
    image = hospital.image("1111111", 0)
    write_dicom_seg(folder / "any name.dcm", image, hospital.labels(0))  # found by the instance it references
    middle = np.flatnonzero(hospital.labels(2).any(axis=1)).mean().astype(int)
    upper, lower = np.array(hospital.labels(2)), np.array(hospital.labels(2))
    upper[middle:], lower[:middle] = 0, 0
    write_seg_nrrd(folder / "1111111-2.seg.nrrd", upper, (0.07, 0.07))
    write_nifti(folder / "1111111-2_lower.nii.gz", lower, (0.07, 0.07))

    cohort = hospital.import_it()

    cc, mlo = (v for v in cohort.views if v.lesion)
    assert (cc.annotation, mlo.annotation) == ("dicom_seg", "slicer")
    assert np.array_equal(np.asarray(Image.open(cohort.folder / cc.mask)), hospital.labels(0))
    assert np.array_equal(np.asarray(Image.open(cohort.folder / mlo.mask)), hospital.labels(2))


def test_equal_pixels_in_a_second_file_are_left_out(hospital):
    hospital.patient("1111111")
    hospital.image("1111111", 1, name="once", same_pixels=True)
    hospital.image("1111111", 1, name="twice", same_pixels=True, Manufacturer="ANOTHER HEADER")

    cohort = hospital.import_it()

    assert reasons(cohort) == {"twice.dcm": "duplicate_pixels"}
    assert len({view.pixels_sha256 for view in cohort.views}) == len(cohort.views) == 5


def test_equal_pixels_of_two_patients_are_nobodys(hospital):
    hospital.patient("1111111")
    hospital.patient("2222222")
    for patient in ("1111111", "2222222"):
        hospital.image(patient, 2, same_pixels=True)

    cohort = hospital.import_it()

    assert reasons(cohort) == dict.fromkeys(("1111111-2.dcm", "2222222-2.dcm"), "pixels_of_two_patients")
    assert len(list((cohort.folder / "masks").iterdir())) == 2


def test_two_files_of_one_instance_with_other_pixels_are_not_both_taken(hospital):
    hospital.patient("1111111")
    twin = hospital.image("1111111", 1, name="twin")
    hospital.image("1111111", 3, name="z", SOPInstanceUID=twin.SOPInstanceUID)

    assert reasons(hospital.import_it()) == {"z.dcm": "duplicate_instance"}


def test_healthy_breasts_can_be_left_out(hospital):
    hospital.patient("1111111")

    cohort = hospital.import_it(assume_healthy=False)

    assert {v.laterality for v in cohort.views} == {"R"}
    assert set(reasons(cohort).values()) == {"other_breast"}
    assert step(cohort, LESIONS) == (1, 2)
    assert step(cohort, HEALTHY) == (0, 0)
    assert cohort.source["assume_healthy"] is False


def test_images_without_patient_id_are_found_by_their_folder(hospital):
    hospital.patient("1111111", image_folder="a/b")
    moved = hospital.folder / "images" / "a" / "b"
    moved.mkdir(parents=True)
    for path in (hospital.folder / "images").glob("*.dcm"):
        path.rename(moved / path.name)

    assert len(hospital.import_it().views) == 4


def test_the_same_data_gives_the_same_cohort_wherever_it_lies(hospital, tmp_path):
    hospital.patient("1111111")
    hospital.patient("2222222", grade_surgery="I")
    first = hospital.import_it()
    hospital.folder = hospital.folder.rename(tmp_path / "moved")
    (hospital.folder / "cohort").rename(tmp_path / "old")

    second = hospital.import_it()

    assert first.sha256 == second.sha256


def test_the_key_file_leads_back_and_lies_elsewhere(hospital, tmp_path):
    hospital.patient("1111111")
    cohort = hospital.import_it(key_file=tmp_path / "keys.csv")

    assert (tmp_path / "keys.csv").read_text().split() == ["patient_id,key", f"1111111,{cohort.views[0].patient}"]
    assert (tmp_path / "keys.csv").stat().st_mode & 0o077 == 0
    assert "1111111" not in json.dumps(cohort.source)


def test_a_folder_with_something_in_it_is_refused_before_any_work(hospital):
    hospital.patient("1111111")
    (hospital.folder / "cohort").mkdir()
    (hospital.folder / "cohort" / "notes.txt").write_text("mine")

    with pytest.raises(TrainingError, match="not empty"):
        hospital.import_it()


def test_nothing_left_says_why(hospital):
    hospital.patient("1111111", lcis="yes")

    with pytest.raises(TrainingError, match="no image is left for the cohort: lcis 1"):
        hospital.import_it()


def test_other_files_and_objects_are_counted_not_listed(hospital):
    hospital.patient("1111111")
    (hospital.folder / "images" / "DICOMDIR.txt").write_text("x")
    write_dicom_seg(hospital.folder / "images" / "seg.dcm", hospital.image("1111111", 0), hospital.labels(0))

    cohort = hospital.import_it()

    assert (cohort.source["files_not_dicom"], cohort.source["objects_not_images"]) == (1, 1)
    assert not cohort.exclusions


def test_the_tables_are_written_beside_the_cohort(hospital):
    hospital.patient("1111111")
    hospital.image("1111111", 1, name="odd", PaddleDescription="MAG")
    folder: Path = hospital.import_it().folder

    assert (folder / "exclusions.csv").read_text().splitlines()[1].startswith("image,odd.dcm,magnification_view,")
    assert "Grade (surgery),II,1 (100.0 %),1,1.0,193 (41.6 %)" in (folder / "table1.csv").read_text()
    assert (folder / "flow.csv").read_text().splitlines()[0] == "name,patients,images"
