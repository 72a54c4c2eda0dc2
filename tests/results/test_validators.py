"""The results before judges that we did not write (tests/judge.py): no finding on any object of any kind."""

from copy import deepcopy
from dataclasses import replace
from functools import partial

import pytest
from pydicom.uid import Comprehensive3DSRStorage, EnhancedSRStorage, SegmentationStorage

from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import LesionSource
from dcis_node.results.answer import EarlierDocument, ObjectReference, UsedMark
from dcis_node.results.kinds import EVERY_KIND, ResultKind
from tests.judge import judge_each
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

# The template check of all at once takes long where the machine is busy.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]

# The Comprehensive SR has the tree of the Comprehensive 3D SR; it is judged once.
every_kind = partial(results_of, kinds=EVERY_KIND - {ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE})
# The slowest to judge is left out where an exam has no new kind of row in it.
MEASUREMENTS = frozenset({ResultKind.MEASUREMENT_REPORT, ResultKind.VIEW_MEASUREMENT_REPORT})
without_measurements = partial(every_kind, kinds=every_kind.keywords["kinds"] - MEASUREMENTS)

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


def japanese():
    named = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎", "PatientSex": "O"}
    return [with_attributes(view, **named) for view in four_views()]


def in_two_studies():
    views = four_views()
    other = {"study_instance_uid": "2.25.2002", "series_instance_uid": "2.25.2003"}
    moved = with_attributes(views[3], StudyInstanceUID="2.25.2002", SeriesInstanceUID="2.25.2003")
    return [*views[:3], replace(moved, header=replace(moved.header, **other))]


def with_attributes(view, **changed):
    attributes = deepcopy(view.attributes)
    for keyword, value in changed.items():
        setattr(attributes, keyword, value)
    return replace(view, attributes=attributes)


# Exams that differ in words, numbers and identity only have one shape of trees, and the template check is asked once.
EXAMS = {
    "four views": partial(results_of, kinds=EVERY_KIND),
    "trained model": lambda: every_kind(model=replace(MODEL, synthetic=False)),
    "Japanese name": lambda: every_kind(japanese()),
    "two studies": lambda: every_kind(in_two_studies()),
    "later version": lambda: every_kind(version=2, predecessor=(EARLIER, EARLIER_TOO), change="L MLO came later."),
    "pieces": lambda: every_kind([image(mask=mask_of(*[(12 * i, 5, 12 * i + 9 - i, 20) for i in range(7)]))]),
    "bare header": lambda: every_kind([image(**BARE)]),
    "given mark": lambda: every_kind([MARKED]),
    "uncommon views": lambda: without_measurements(
        [image("R", view, number=n) for n, view in enumerate(("ML", "LM", "XCCL"), 1)]
    ),
    "one left out": lambda: every_kind([*four_views(), refused(number=9)]),
    "standard view left out": lambda: without_measurements(
        [*four_views()[:3], refused("L", "MLO", number=9, reason=Reason.IMPLANT_NOT_DISPLACED)]
    ),
    "nothing found": lambda: every_kind([image(number=n, box=None) for n in (1, 2)], NOTHING),
    "not analysed": lambda: every_kind(
        [refused(number=1), refused(number=2, reason=Reason.FOR_PROCESSING, explanation="This is raw data.")],
        NOT_ANALYSED,
        completeness="The deadline passed.",
    ),
    "damaged": lambda: every_kind([refused(reason=Reason.PIXELS_TRUNCATED)], NOT_ANALYSED),
}


@pytest.fixture(scope="module")
def findings():
    """All objects of all exams at once, as the template check is slow to start."""
    exams = {name: build() for name, build in EXAMS.items()}
    objects = {(name, n): result for name, results in exams.items() for n, result in enumerate(results)}
    found = {name: [] for name in exams}
    for (name, n), said in judge_each(objects).items():
        found[name] += [f"{exams[name][n].kind}: {finding}" for finding in said]
    return found


@pytest.mark.parametrize("exam", EXAMS)
def test_no_judge_finds_a_fault_in_any_object_of_an_exam(findings, exam):
    assert findings[exam] == []
