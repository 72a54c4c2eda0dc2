import copy
import csv

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import SecondaryCaptureImageStorage

from dcis_node.errors import TrainingError
from dcis_node.phantom.dicom import derived_uid
from training.importing.cbis_ddsm import SPACING_MM, import_cbis_ddsm

from .conftest import silent

NAMES = [
    "patient_id", "breast density", "left or right breast", "image view", "abnormality id", "abnormality type",
    "calc type", "calc distribution", "assessment", "pathology", "subtlety", "image file path",
    "cropped image file path", "ROI mask file path",
]  # fmt: skip


class Cbis:
    """Film scans as Secondary Capture without spacing, window, side or view; masks of 8 bits."""

    def __init__(self, hospital) -> None:
        self.hospital, self.rows = hospital, []

    def dicom(self, name: str, pixels: np.ndarray, **values) -> str:
        """Write one file under a name that no table knows; gives its path in the tables."""
        ds = copy.deepcopy(self.hospital.files[0])
        for keyword in (
            "ImagerPixelSpacing",
            "ImageLaterality",
            "ViewPosition",
            "ViewCodeSequence",
            "WindowCenter",
            "WindowWidth",
            "PatientOrientation",
            "PresentationIntentType",
            "AnatomicRegionSequence",
        ):
            if keyword in ds:
                del ds[keyword]
        series, study, instance = (derived_uid(f"cbis/{name}/{kind}") for kind in ("series", "study", "instance"))
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = instance
        ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.Modality = series, study, "MG"
        ds.SeriesDescription = values.pop("description", "full mammogram images")
        ds.Manufacturer, ds.ManufacturerModelName = "", ""
        bits = pixels.dtype.itemsize * 8
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
        ds.Rows, ds.Columns = pixels.shape
        ds.PixelData = pixels.tobytes()
        folder = self.hospital.folder / "images" / name
        folder.mkdir()
        ds.save_as(folder / "1-1.dcm", enforce_file_format=True)
        return f"{name}/{study}/{series}/000000.dcm\n"

    def case(self, name: str, *, masks, swapped=False, view="CC"):
        pixels = self.hospital.exam.views[0].stored.copy()
        pixels[-1, -1] = sum(name.encode())
        full = self.dicom(name, pixels)
        for number, labels in enumerate(masks, start=1):
            mask = self.dicom(f"{name}_{number}_mask", (labels > 0).astype(np.uint8) * 255, description="")
            crop = self.dicom(f"{name}_{number}_crop", pixels[100:150, 50:90].copy(), description="cropped images")
            if swapped:
                mask, crop = crop, mask
            self.rows.append(dict.fromkeys(NAMES, "x") | {
                "patient_id": "P_00005", "breast density": "3", "left or right breast": "RIGHT", "image view": view,
                "image file path": full, "cropped image file path": crop, "ROI mask file path": mask,
            })  # fmt: skip

    def import_it(self, **options):
        tables = self.hospital.folder / "csv"
        tables.mkdir()
        with (tables / "calc_case_description_train_set.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, NAMES)
            table.writeheader()
            table.writerows(self.rows)
        (tables / "mass_case_description_train_set.csv").write_text("patient_id,breast_density\n")
        out = self.hospital.folder / "cohort"
        return import_cbis_ddsm(self.hospital.folder / "images", tables, out, progress=silent, **options)


@pytest.fixture
def cbis(hospital) -> Cbis:
    return Cbis(hospital)


def mask_of(cohort) -> np.ndarray:
    return np.asarray(Image.open(cohort.folder / cohort.views[0].mask))


@pytest.mark.parametrize("swapped", [False, True])
def test_a_film_is_joined_to_its_mask_by_series_be_mask_and_crop_swapped_or_not(cbis, swapped):
    cbis.case("Calc-Training_P_00005_RIGHT_CC", masks=[cbis.hospital.labels(0)], swapped=swapped)

    cohort = cbis.import_it()

    (row,) = cohort.views
    assert (row.laterality, row.view, row.grade, row.annotation, row.density) == ("R", "CC", 0, "cbis_ddsm", "c")
    assert row.lesion
    assert np.array_equal(mask_of(cohort), (cbis.hospital.labels(0) > 0).astype(np.uint8))


def test_masks_and_crops_are_no_mammograms_of_the_cohort(cbis):
    cbis.case("a", masks=[cbis.hospital.labels(0)])

    cohort = cbis.import_it()

    assert [(s.patients, s.images) for s in cohort.flow] == [(1, 1), (1, 1), (1, 1), (0, 0)]


def test_what_was_relaxed_and_assumed_is_told(cbis):
    cbis.case("a", masks=[cbis.hospital.labels(0)])

    cohort = cbis.import_it()

    assert cohort.views[0].spacing_mm == (SPACING_MM, SPACING_MM)
    assert cohort.source["images_with_assumed_spacing"] == 1
    assert "secondary captures are taken" in cohort.source["eligibility"]
    assert cohort.source["grades"].startswith("none")


def test_the_masks_of_all_abnormalities_of_a_film_are_merged(cbis):
    first, second = (np.zeros((256, 192), np.uint8) for _ in range(2))
    first[100:120, 150:170], second[130:150, 150:170] = 1, 1
    cbis.case("a", masks=[first, second])

    assert np.array_equal(mask_of(cbis.import_it()), first | second)


def test_a_mask_of_another_size_is_refused(cbis):
    cbis.case("a", masks=[cbis.hospital.labels(0)])
    cbis.case("b", masks=[np.ones((90, 80), np.uint8)], view="MLO")

    assert [(e.key, e.reason) for e in cbis.import_it().exclusions] == [("b/1-1.dcm", "mask_size")]


def test_a_picture_of_many_values_is_no_mask_even_in_the_right_size(cbis):
    cbis.case("a", masks=[cbis.hospital.labels(0)])
    cbis.case("b", masks=[np.ones((90, 80), np.uint8)], view="MLO")
    grey = cbis.dicom("grey", cbis.hospital.exam.views[2].stored, description="cropped images")
    cbis.rows[-1]["cropped image file path"] = grey

    exclusions = {e.key: e.reason for e in cbis.import_it().exclusions}

    assert exclusions["b/1-1.dcm"] == "mask_size"


def test_a_film_that_was_not_downloaded_is_counted(cbis):
    cbis.case("a", masks=[cbis.hospital.labels(0)])
    cbis.rows.append(cbis.rows[0] | {"image file path": "x/1.2/1.2.3/000000.dcm"})

    assert cbis.import_it().source["mammograms_missing"] == 1


def test_an_image_that_no_table_names_is_left_out(cbis):
    cbis.case("a", masks=[cbis.hospital.labels(0)])
    cbis.dicom("stray", cbis.hospital.exam.views[2].stored)

    assert [(e.key, e.reason) for e in cbis.import_it().exclusions] == [("stray/1-1.dcm", "not_in_table")]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"left or right breast": "BOTH"}, "row 2 lacks patient, side, view or a path"),
        ({"ROI mask file path": ""}, "row 2 lacks"),
    ],
)
def test_a_row_that_lacks_something_is_named(cbis, change, error):
    cbis.case("a", masks=[cbis.hospital.labels(0)])
    cbis.rows[0] |= change

    with pytest.raises(TrainingError, match=error):
        cbis.import_it()


def test_a_table_without_a_column_and_a_folder_without_a_table_are_refused(cbis, tmp_path):
    (tmp_path / "calc_case_description_test_set.csv").write_text("patient_id,image view\n")
    with pytest.raises(TrainingError, match="column 'left_or_right_breast' is missing"):
        import_cbis_ddsm(tmp_path, tmp_path, tmp_path / "out", progress=silent)
    (tmp_path / "calc_case_description_test_set.csv").unlink()
    with pytest.raises(TrainingError, match="no calc_case_description"):
        import_cbis_ddsm(tmp_path, tmp_path, tmp_path / "out", progress=silent)
