import pytest

from dcis_node.errors import TrainingError
from dcis_node.mammogram.facts import Reason
from training.importing.scan import detector, relax, scan_images

from .conftest import silent


def test_a_missing_folder_and_one_without_images_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="no folder none with images"):
        scan_images(tmp_path / "none", progress=silent)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(TrainingError, match=r"no DICOM image below .* \(1 other files, 0 DICOM objects"):
        scan_images(tmp_path, progress=silent)


def test_garbage_behind_a_dicom_preamble_is_left_out_not_fatal(hospital):
    hospital.image("a", 0, name="a")
    (hospital.folder / "images" / "b.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 60)

    scan = scan_images(hospital.folder / "images", progress=silent)

    assert {image.file: image.reason for image in scan.images} == {
        "a.dcm": Reason.ELIGIBLE,
        "b.dcm": Reason.IDENTIFIERS_INVALID,
    }


def test_the_facts_of_an_image_without_identifiers_are_refused(hospital):
    hospital.image("a", 0, name="a", StudyInstanceUID="")

    (image,) = scan_images(hospital.folder / "images", progress=silent).images

    assert relax(image, laterality="R", view="CC") is image
    with pytest.raises(TrainingError, match=r"a\.dcm: The object lacks a valid identifier"):
        _ = image.facts


def test_relaxing_passes_over_the_capture_but_not_over_a_magnification(hospital):
    capture = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImageLaterality": None}
    hospital.image("a", 0, name="a", **capture)
    hospital.image("a", 2, name="b", **capture, EstimatedRadiographicMagnificationFactor="1.8")

    scanned = scan_images(hospital.folder / "images", progress=silent).images

    assert [image.reason for image in scanned] == [Reason.SECONDARY_CAPTURE] * 2
    again = [relax(image, laterality="L", view="MLO") for image in scanned]
    assert [image.reason for image in again] == [Reason.ELIGIBLE, Reason.MAGNIFICATION_VIEW]
    assert (str(again[0].facts.laterality), again[0].facts.view) == ("L", "MLO")


def test_a_phantoms_detector_is_named_as_its_generator_names_it():
    assert detector("SYNTHETIC PHANTOM", "geometry hologic") == ("hologic", "phantom hologic")
    assert detector("HOLOGIC, Inc.", "Lorad Selenia") == ("HOLOGIC, Inc.", "Lorad Selenia")
