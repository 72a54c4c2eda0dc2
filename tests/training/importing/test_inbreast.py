import plistlib

import numpy as np
import pytest
from PIL import Image

from dcis_node.errors import TrainingError
from training.importing.inbreast import import_inbreast

from .conftest import silent

HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads;Mass ;Micros;Distortion"
SQUARE = ["(150.0, 100.0)", "(170.0, 100.0)", "(170.0, 120.0)", "(150.0, 120.0)"]


class InBreast:
    def __init__(self, hospital) -> None:
        self.hospital, self.lines = hospital, [HEADER]
        self.xml = hospital.folder / "AllXML"
        self.xml.mkdir()

    def image(self, id_: str, number: int, *, hash_="dda3e6a969abd8e2", regions=None, birads="4a", name=""):
        seen = self.hospital.exam.views[number]
        short = {"MLO": "ML"}.get(seen.view, seen.view)
        self.hospital.image("removed", number, name=name or f"{id_}_{hash_}_MG_{seen.laterality}_{short}_ANON")
        self.lines.append(f"removed;removed;{seen.laterality};{seen.view};200801;{id_};2;{birads};;X;")
        if regions is not None:
            rois = [{"Name": n, "NumberOfPoints": len(points), "Point_px": points} for n, points in regions]
            content = {"Images": [{"NumberOfROIs": len(rois), "ROIs": rois}]}
            (self.xml / f"{id_}.xml").write_bytes(plistlib.dumps(content))

    def import_it(self):
        table = self.hospital.folder / "INbreast.csv"
        table.write_text("\n".join(self.lines) + "\n")
        folder = self.hospital.folder
        return import_inbreast(folder / "images", self.xml, table, folder / "cohort", progress=silent)


@pytest.fixture
def inbreast(hospital) -> InBreast:
    return InBreast(hospital)


def mask_of(cohort) -> np.ndarray:
    return np.asarray(Image.open(cohort.folder / cohort.views[0].mask))


def test_polygons_and_points_become_regions_and_calcifications(inbreast):
    points = ["(160.0, 110.0)", "(155.2, 105.4)"]
    inbreast.image("1", 0, regions=[("Cluster", SQUARE), ("Calcification", points[:1]), ("Calcification", points[1:])])

    cohort = inbreast.import_it()

    (row,) = cohort.views
    labels = mask_of(cohort)
    assert (row.laterality, row.view, row.grade, row.annotation, row.density) == ("R", "CC", 0, "inbreast", "b")
    assert np.argwhere(labels == 2).tolist() == [[105, 155], [110, 160]]
    assert (labels > 0).sum() == pytest.approx(20 * 20, abs=41)


def test_the_view_is_the_tables_and_the_patient_the_files_hash(inbreast):
    inbreast.image("1", 0, regions=[("Calcifications", SQUARE)])
    inbreast.image("2", 2, regions=[("Calcification", SQUARE)])
    inbreast.image("3", 0, regions=[("Cluster", SQUARE)], hash_="0123456789abcdef")

    cohort = inbreast.import_it()

    assert sorted((v.file[:1], v.view) for v in cohort.views) == [("1", "CC"), ("2", "MLO"), ("3", "CC")]
    patients = {v.file[:1]: v.patient for v in cohort.views}
    assert patients["1"] == patients["2"] != patients["3"]


def test_masses_alone_are_no_annotation_and_no_negative(inbreast):
    inbreast.image("1", 0, regions=[("Cluster", SQUARE)])
    inbreast.image("2", 2, regions=[("Mass", SQUARE), ("Asimmetry", SQUARE), ("", SQUARE)], birads="1")

    cohort = inbreast.import_it()

    assert [e.reason for e in cohort.exclusions] == ["no_annotation"]


def test_only_mammograms_read_as_normal_are_negatives(inbreast):
    inbreast.image("1", 0, birads="1")
    inbreast.image("2", 2, birads="2")

    cohort = inbreast.import_it()

    assert [(view.file[:1], view.mask, view.lesion) for view in cohort.views] == [("1", "", False)]
    assert [e.reason for e in cohort.exclusions] == ["no_annotation"]


def test_points_outside_the_image_are_cut_off_and_a_region_wholly_outside_is_refused(inbreast):
    partly = ["(150.0, 100.0)", "(400.0, 100.0)", "(400.0, 120.0)", "(150.0, 120.0)"]
    inbreast.image("1", 0, regions=[("Cluster", partly)])
    inbreast.image("2", 2, regions=[("Calcification", ["(4000.0, 10.0)"])])

    cohort = inbreast.import_it()

    assert mask_of(cohort).any(axis=0)[-1]
    assert [e.reason for e in cohort.exclusions] == ["mask_empty"]


def test_a_file_that_the_table_or_its_name_does_not_tell_is_left_out(inbreast):
    inbreast.image("1", 0, birads="1")
    inbreast.image("2", 2, name="other")
    inbreast.image("3", 1)
    inbreast.lines.pop()

    assert {e.reason for e in inbreast.import_it().exclusions} == {"not_in_table"}


@pytest.mark.parametrize(
    "content",
    [
        b"no xml",
        b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "b">]><plist><dict><key>Images</key><array/></dict></plist>',
        plistlib.dumps({"Images": [{"ROIs": [{"Name": "Cluster", "Point_px": ["middle"]}]}]}),
        plistlib.dumps({"Other": 1}),
    ],
)
def test_an_xml_of_another_kind_is_refused(inbreast, content):
    inbreast.image("1", 0)
    (inbreast.xml / "1.xml").write_bytes(content)

    with pytest.raises(TrainingError, match=r"1.xml: not a property list of outlines"):
        inbreast.import_it()


def test_a_table_without_a_column_is_refused(inbreast):
    inbreast.image("1", 0)
    inbreast.lines = ["Patient ID;Laterality;View"]

    with pytest.raises(TrainingError, match="column 'filename' is missing"):
        inbreast.import_it()
