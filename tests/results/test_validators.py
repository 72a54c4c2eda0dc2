"""The results before judges that we did not write: dciodvfy (Debian dicom3tools) and dsrdump (Debian dcmtk)."""

import re
import subprocess
from dataclasses import replace

import pytest
from pydicom.uid import Comprehensive3DSRStorage, EnhancedSRStorage, SegmentationStorage

from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import LesionSource
from dcis_node.results.answer import EarlierDocument, ObjectReference, UsedMark
from dcis_node.results.kinds import ResultKind
from tests.peers import require
from tests.results.builders import (
    MODEL,
    NOT_ANALYSED,
    NOTHING,
    STUDY,
    four_views,
    image,
    mask_of,
    refused,
    results_of,
)

pytestmark = pytest.mark.peer

# Errors that are none, each with its reason. Nothing else is tolerated.
TOLERATED = (
    # A private scheme is no defined term; it is declared in Coding Scheme Identification (PS3.3 C.12.1.1.3).
    re.compile(r"Unrecognized defined term = <99DCISNODE>"),
)

MARKED = replace(
    image(),
    prediction=replace(image().prediction, source=LesionSource.GIVEN),
    mark=UsedMark("seg", ObjectReference(SegmentationStorage, "2.25.31", "2.25.32", STUDY)),
)
BARE = dict.fromkeys(
    (
        "SpecificCharacterSet",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "PatientAge",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "ReferringPhysicianName",
        "StudyDescription",
        "Manufacturer",
        "ImagerPixelSpacing",
    )
)
EARLIER = EarlierDocument(ResultKind.READABLE_REPORT, ObjectReference(EnhancedSRStorage, "2.25.51", "2.25.52", STUDY))
EARLIER_TOO = EarlierDocument(
    ResultKind.MEASUREMENT_REPORT, ObjectReference(Comprehensive3DSRStorage, "2.25.61", "2.25.62", STUDY)
)

EXAMS = {
    "four views": results_of,
    "trained model": lambda: results_of(model=replace(MODEL, synthetic=False)),
    "pieces": lambda: results_of([image(mask=mask_of(*[(12 * i, 5, 12 * i + 9 - i, 20) for i in range(7)]))]),
    "bare header": lambda: results_of([image(**BARE)]),
    "Japanese name": lambda: results_of(
        [image(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎", PatientSex="O")]
    ),
    "two studies": lambda: results_of([image(number=1), image("R", "MLO", number=2, study="2.25.2002")]),
    "given mark": lambda: results_of([MARKED]),
    "later version": lambda: results_of(version=2, predecessor=(EARLIER, EARLIER_TOO), change="L MLO came later."),
    "nothing found": lambda: results_of([image(number=n, box=None) for n in (1, 2)], NOTHING),
    "not analysed": lambda: results_of(
        [refused(number=1), refused(number=2, reason=Reason.FOR_PROCESSING, explanation="This is raw data.")],
        NOT_ANALYSED,
        completeness="The deadline passed.",
    ),
    "one left out": lambda: results_of([*four_views(), refused(number=9)]),
}


def complaints(output):
    lines = [line for line in output.splitlines() if line.startswith("Error")]
    return [line for line in lines if not any(known.search(line) for known in TOLERATED)]


@pytest.fixture(params=EXAMS)
def files(request, tmp_path):
    paths = []
    for number, result in enumerate(EXAMS[request.param]()):
        path = tmp_path / f"{number}_{result.modality}.dcm"
        path.write_bytes(result.data)
        paths.append(path)
    return paths


def test_dciodvfy_finds_no_error(files):
    tool = require("dciodvfy")
    for path in files:
        done = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        # Without its name the object was not judged at all.
        assert re.search(r"^(EnhancedSR|Comprehensive3DSR|Segmentation)", output, re.MULTILINE), output
        assert complaints(output) == [], path.name


def test_dsrdump_reads_every_report(files):
    tool = require("dsrdump")
    for path in files:
        if path.name.endswith("_SR.dcm"):
            done = subprocess.run([tool, str(path)], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            assert b"RESEARCH USE ONLY" in done.stdout


def test_dciodvfy_would_find_an_error(tmp_path):
    tool = require("dciodvfy")
    report = results_of()[0].data
    (tmp_path / "broken.dcm").write_bytes(report.replace(b"PRELIMINARY ", b"PRELIMINERY "))
    done = subprocess.run([tool, str(tmp_path / "broken.dcm")], capture_output=True, text=True, check=False)
    assert complaints(done.stdout + done.stderr)
