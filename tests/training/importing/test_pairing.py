import numpy as np
import pytest

from dcis_node.errors import TrainingError
from training.annotations.writing import write_dicom_seg
from training.importing.pairing import pair
from training.importing.scan import scan_images

from .conftest import silent


@pytest.fixture
def paired(hospital):
    def run():
        images = hospital.folder / "images"
        for path in list(images.glob("*#*.dcm")):  # "a#b" stands for a/b
            target = images / path.name.replace("#", "/")
            target.parent.mkdir(exist_ok=True)
            path.rename(target)
        found = pair(hospital.folder / "annotations", scan_images(images, progress=silent).images)
        return {image: [path.name for path in files] for image, files in found.files.items()}, found.unpaired

    return run


BLANK = np.ones((4, 4), np.uint8)


def test_a_reference_counts_for_more_than_the_name(hospital, paired):
    hospital.image("a", 0, name="a")
    other = hospital.image("a", 2, name="b")
    write_dicom_seg(hospital.folder / "annotations" / "a.dcm", other, hospital.labels(2))

    assert paired() == ({"b.dcm": ["a.dcm"]}, ())


def test_a_list_counts_for_more_than_the_name(hospital, paired):
    hospital.image("a", 0, name="a")
    hospital.image("a", 2, name="b")
    hospital.png("a", BLANK)
    (hospital.folder / "annotations" / "images.csv").write_text("image;mask\nb.dcm;a.png\n")

    assert paired() == ({"b.dcm": ["a.png"]}, ())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("image,file\na.dcm,a.png\n", "needs the columns image and mask"),
        ("image,mask\nz.dcm,a.png\n", "row 2 names an image that is not there"),
        ("image,mask\na.dcm,a.png\na.dcm,z.png\n", "row 3 names a mask that is not there"),
    ],
)
def test_a_list_that_names_what_is_not_there_is_refused(hospital, paired, text, error):
    hospital.image("a", 0, name="a")
    hospital.png("a", BLANK)
    (hospital.folder / "annotations" / "images.csv").write_text(text)

    with pytest.raises(TrainingError, match=error):
        paired()


def test_a_name_is_an_instance_or_a_path_or_a_file_name_with_or_without_more(hospital, paired):
    first = hospital.image("a", 0, name="a")
    hospital.image("a", 1, name="x#1-1")
    hospital.image("a", 2, name="y#1-1")
    hospital.image("a", 3, name="d")
    hospital.png(str(first.SOPInstanceUID), BLANK)
    (hospital.folder / "annotations" / "x").mkdir()
    hospital.png("x/1-1_reader2", BLANK)
    hospital.png("d", BLANK)
    hospital.png("d_lower-part", BLANK)

    files, unpaired = paired()

    assert files == {
        "a.dcm": [f"{first.SOPInstanceUID}.png"],
        "x/1-1.dcm": ["1-1_reader2.png"],
        "d.dcm": ["d.png", "d_lower-part.png"],
    }
    assert unpaired == ()


def test_a_name_of_two_images_is_ambiguous_and_one_of_none_is_told(hospital, paired):
    hospital.image("a", 1, name="x#1-1")
    hospital.image("a", 2, name="y#1-1")
    hospital.png("1-1", BLANK)
    hospital.png("nobody", BLANK)

    files, unpaired = paired()

    assert files == {}
    assert [(file, reason) for file, reason, _ in unpaired] == [
        ("1-1.png", "annotation_ambiguous"),
        ("nobody.png", "annotation_without_image"),
    ]


def test_a_shorter_name_inside_a_longer_one_does_not_match(hospital, paired):
    hospital.image("a", 0, name="image1")
    hospital.png("image12", BLANK)

    assert paired()[1][0][1] == "annotation_without_image"


def test_files_that_are_no_annotations_are_passed_over(hospital, paired):
    hospital.image("a", 0, name="a")
    (hospital.folder / "annotations" / "a.txt").write_text("notes")

    assert paired() == ({}, ())


def test_a_missing_folder_is_refused(hospital, tmp_path):
    with pytest.raises(TrainingError, match="no folder none with annotations"):
        pair(tmp_path / "none", [])
