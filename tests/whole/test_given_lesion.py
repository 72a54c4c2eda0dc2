"""Marks of four kinds, made by other software, sent with the images to a running node."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from dcis_node.phantom.exam import generate_exam
from tests.analyse.foreign import cad_report, measurement_report, plain_report, presentation_state, segmentation
from tests.peers import StoragePeer
from tests.whole.conftest import SIZE
from tests.whole.marked import of_patient, pointed_at, references, result_of, send, texts, without_pixels, write
from tests.whole.nodes import running_node

# The marks lie beside the middle of the lesion, where no search would put its centre to the pixel.
ASIDE = (25.0, -15.0)
WORDS = {
    "seg": "a DICOM segmentation",
    "sr_scoord": "a region in a structured report",
    "gsps": "a graphic in a presentation state",
    "cad_sr": "a mark of a mammography CAD report",
}


def lesion_places():
    """Give the middle of the lesion's box in each view (R CC, R MLO) that shows it."""
    found = {}
    for view in generate_exam(11, size=SIZE).views:
        rows, columns = (np.flatnonzero(view.lesion_mask.any(axis=axis)) for axis in (1, 0))
        if rows.size:
            found[f"{view.laterality}_{view.view}"] = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    return {name: (round(row) + ASIDE[0], round(column) + ASIDE[1]) for name, (row, column) in found.items()}


@pytest.fixture(scope="module")
def marked(exam_folder, tmp_path_factory):
    """Two patients with a pair of views each, each view with another kind of mark, and what means nothing beside them.

    Gives the folder, and for each kind of mark its image, its object and its place.
    """
    places = lesion_places()
    views = {name: dcmread(exam_folder / f"{name}.dcm") for name in ("R_CC", "R_MLO")}
    images = {(patient, name): of_patient(views[name], patient) for patient in ("GIVEN1", "GIVEN2") for name in views}
    headers = {key: without_pixels(image) for key, image in images.items()}
    where = {
        "seg": ("GIVEN1", "R_CC"),
        "sr_scoord": ("GIVEN1", "R_MLO"),
        "gsps": ("GIVEN2", "R_CC"),
        "cad_sr": ("GIVEN2", "R_MLO"),
    }
    row, column = (round(at) for at in places["R_CC"])
    box = (row - 20, column - 20, row + 21, column + 21)
    at = {kind: {"row": places[name][0], "column": places[name][1]} for kind, (_, name) in where.items()}
    marks = {
        "seg": segmentation(71, headers[where["seg"]], box=box, syntax=JPEG2000Lossless),
        "sr_scoord": measurement_report(72, headers[where["sr_scoord"]], **at["sr_scoord"]),
        "gsps": presentation_state(73, headers[where["gsps"]], **at["gsps"]),
        "cad_sr": cad_report(74, headers[where["cad_sr"]], **at["cad_sr"]),
    }
    nothing = {
        "outside": measurement_report(75, headers["GIVEN1", "R_MLO"], row=5000.0, column=10.0),
        "elsewhere": measurement_report(76, of_patient(headers["GIVEN1", "R_CC"], "GIVEN9"), row=100.0, column=100.0),
        "no_mark": plain_report(77, headers["GIVEN2", "R_CC"]),
    }
    nothing["elsewhere"].StudyInstanceUID = headers["GIVEN1", "R_CC"].StudyInstanceUID
    nothing["elsewhere"].PatientID = "GIVEN1"
    objects = {"_".join(key): image for key, image in images.items()} | marks | nothing
    folder = write(tmp_path_factory.mktemp("marked") / "objects", objects)
    return folder, {
        kind: (str(images[where[kind]].SOPInstanceUID), str(marks[kind].SOPInstanceUID), at[kind]) for kind in where
    }, {key[0]: str(image.StudyInstanceUID) for key, image in images.items()}  # fmt: skip


def test_a_mark_of_each_kind_centres_the_analysis_of_its_view_and_is_pointed_at(tmp_path, marked):
    folder, marks, studies = marked
    with (
        StoragePeer() as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)], receivers=1) as node,
    ):
        send(folder, node)
        exams = {patient: node.wait_for_answer(study) for patient, study in studies.items()}
        reports = {patient: exam["reports"][-1] for patient, exam in exams.items()}
        measured = {p: result_of(node, report, "measurement_report") for p, report in reports.items()}
        readable = {p: result_of(node, report, "readable_report") for p, report in reports.items()}
        log = node.log()
    for kind, (image, source, place) in marks.items():
        patient = "GIVEN1" if kind in {"seg", "sr_scoord"} else "GIVEN2"
        (view,) = (view for view in reports[patient]["views"] if view["sop_instance_uid"] == image)
        assert (view["lesion"], view["outlined"]) == ("given", True), kind
        (instance,) = (i for i in exams[patient]["instances"] if i["sop_instance_uid"] == image)
        assert instance["analyses"][-1]["centre"] == pytest.approx([place["row"], place["column"]], abs=0.1)
        assert instance["analyses"][-1]["source"] == "given"
        sentence = f"The analysis was centred on a given mark: {WORDS[kind]} of this exam."
        assert source in pointed_at(measured[patient], "GIVENMARK")
        for ds in (measured[patient], readable[patient]):
            assert sentence in texts(ds)
            assert source in references(ds, "CurrentRequestedProcedureEvidenceSequence")
    assert all(len(pointed_at(ds, "GIVENMARK")) == 2 for ds in measured.values())
    assert all(len(exam["reports"]) == 1 and exam["state"] == "reported" for exam in exams.values())
    assert "marks_unreadable" not in log
    assert "failed" not in log
