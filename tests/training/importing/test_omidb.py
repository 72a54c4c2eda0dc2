import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcis_node.errors import TrainingError
from training.importing.nbss import read_clients
from training.importing.omidb import import_omidb

from .conftest import silent

MARK = {
    "MarkID": 10241,
    "LinkedNBSSLesionNumber": "1,2",
    "SuspiciousCalcifications": "SuspiciousCalcifications",
    "Mass": None,
    "X1": "150",
    "X2": "120",
    "Y1": "100",
    "Y2": "140",
}  # as the public parser's tests have it
SURGERY = {"DcisGrade": "NDH", "DatePerformed": "2020-03-01", "InSituComponents": "NID", "InvasiveComponents": None}
BIOPSY = {"DcisGrade": "NDI", "DatePerformed": "2020-02-01", "InSituComponents": "NID", "MalignancyType": "a"}


class OmiDb:
    def __init__(self, hospital) -> None:
        self.hospital, self.folder = hospital, hospital.folder / "data"
        self.nbss: dict = {}
        self.studies: dict = {}

    def client(self, id_: str, *, surgery=None, biopsy=None, marks=None, episode="ep1", date="2020-01-15", side="R"):
        """One episode with one study of four images; `marks` by number of the image."""
        series = {}
        for number in range(4):
            ds = self.hospital.image(id_, number)
            listed = (marks if marks is not None else {0: [MARK], 2: [MARK]}).get(number)
            series[str(ds.SOPInstanceUID)] = {str(n): mark for n, mark in enumerate(listed)} if listed else None
        self.nbss.setdefault(id_, {"ClientID": id_, "Classification": "M"})[episode] = {
            "SCREENING": {"left_opinion": "Normal"},
            "LESION": {side: {"1": {}}},
            "SURGERY": {side: {"1": SURGERY | (surgery or {})}, "dateperformed": None},
            "BIOPSYWIDE": {side: {"1": BIOPSY | (biopsy or {})}, "Opinion": None},
        }
        self.studies.setdefault(id_, {})["1.2.0"] = {
            "EpisodeID": episode,
            "StudyDate": date,
            "EventType": ["SCREENING"],
            "1.2.3.4": series,
        }

    def import_it(self, **options):
        for id_, nbss in self.nbss.items():
            folder: Path = self.folder / id_
            folder.mkdir(parents=True)
            (folder / f"nbss_{id_}.json").write_text(json.dumps(nbss))
            imagedb = {"Site": "x", "STUDIES": self.studies[id_]}
            (folder / f"imagedb_{id_}.json").write_text(json.dumps(imagedb))
        images, out = self.hospital.folder / "images", self.hospital.folder / "cohort"
        return import_omidb(images, self.folder, out, progress=silent, **options)


@pytest.fixture
def omidb(hospital) -> OmiDb:
    return OmiDb(hospital)


def test_surgery_is_the_truth_and_the_biopsy_stands_beside_it(omidb):
    omidb.client("demd1")

    cohort = omidb.import_it()

    lesions = [view for view in cohort.views if view.lesion]
    assert [(v.laterality, v.view, v.grade, v.grade_biopsy, v.upstaged) for v in lesions] == [
        ("R", "CC", 3, 2, False),
        ("R", "MLO", 3, 2, False),
    ]
    assert [v.laterality for v in cohort.views if not v.lesion] == ["L", "L"]
    assert lesions[0].detection == "screening"
    assert "demd1" not in (cohort.folder / "cohort.json").read_text().replace("demd1-", "")


def test_boxes_are_weak_labels_in_the_pixels_that_omidb_names(omidb):
    omidb.client("demd1")

    cohort = omidb.import_it()

    row = next(view for view in cohort.views if view.lesion)
    expected = np.zeros((256, 192), np.uint8)
    expected[100:141, 120:151] = 1
    assert (row.weak, row.annotation) == (True, "omidb_box")
    assert np.array_equal(np.asarray(Image.open(cohort.folder / row.mask)), expected)


@pytest.mark.parametrize(("code", "grade"), [("NDL", 1), ("NDI", 2), ("NDH", 3)])
def test_the_codes_are_the_grades(omidb, code, grade):
    omidb.client("demd1", surgery={"DcisGrade": code})

    assert {view.grade for view in omidb.import_it().views} == {0, grade}


@pytest.mark.parametrize(
    "values",
    [{"InvasiveComponents": "IDC"}, {"InvasiveType": "IN"}, {"DiseaseGrade": "G1"}, {"InvasivePresent": "Y"}],
)
def test_any_sign_of_invasion_at_surgery_is_upstaging(omidb, values):
    omidb.client("demd1", surgery=values)

    assert {view.upstaged for view in omidb.import_it().views if view.lesion} == {True}


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        ({"biopsy": {"MalignancyType": "b"}}, "invasive_at_biopsy"),
        ({"biopsy": {"InSituComponents": "NID,NIL"}}, "lcis"),
        ({"surgery": {"DcisGrade": "NDN"}}, "no_label"),
        ({"marks": {0: [MARK | {"Mass": 1}]}}, "mass_or_distortion"),
        ({"marks": {0: [MARK | {"ArchitecturalDistortion": "ArchitecturalDistortion"}]}}, "mass_or_distortion"),
        ({"marks": {}}, "no_annotation"),
        ({"marks": {0: [MARK | {"LinkedNBSSLesionNumber": "7"}]}}, "no_annotation"),
    ],
)
def test_the_papers_exclusions_hold(omidb, client, reason):
    omidb.client("demd1")
    omidb.client("demd2", **client)

    cohort = omidb.import_it()

    assert [e.reason for e in cohort.exclusions if e.subject == "patient"] == [reason]
    assert len({view.patient for view in cohort.views}) == 1


def test_images_after_the_biopsy_are_left_out(omidb):
    omidb.client("demd1")
    omidb.client("demd2", date="2020-02-02")

    cohort = omidb.import_it()

    assert [e.reason for e in cohort.exclusions if e.subject == "image"] == ["after_biopsy"] * 4
    assert [e.reason for e in cohort.exclusions if e.subject == "patient"] == ["no_mammogram"]


def test_images_of_another_episode_are_left_out(omidb):
    omidb.client("demd1")
    omidb.studies["demd1"]["1.2.0"]["EpisodeID"] = "ep0"
    omidb.client("demd2")

    assert {e.reason for e in omidb.import_it().exclusions if e.subject == "image"} == {"other_episode"}


def test_a_box_beside_the_image_is_refused(omidb):
    outside = MARK | {"X1": 900, "X2": 950}
    omidb.client("demd1", marks={0: [MARK], 2: [outside]})

    assert [e.reason for e in omidb.import_it().exclusions] == ["mask_empty"]


def test_an_image_that_no_json_names_is_left_out(omidb):
    omidb.client("demd1")
    omidb.hospital.image("demd9", 0)

    assert [(e.key, e.reason) for e in omidb.import_it().exclusions] == [("demd9-0.dcm", "no_patient_id")]


@pytest.mark.parametrize("text", ["{", "[]", '{"ep": {"SURGERY": {"R": {"1": {}}}, "BIOPSYWIDE": {"R": [1]}}}'])
def test_a_file_that_is_laid_out_otherwise_is_named_by_its_number(tmp_path, text):
    (tmp_path / "nbss_demd1.json").write_text(text)

    with pytest.raises(TrainingError) as caught:
        read_clients(tmp_path)
    assert "demd1" not in str(caught.value)
    assert "1 of OMI-DB" in str(caught.value)


def test_a_folder_without_clients_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="no nbss_"):
        read_clients(tmp_path)
