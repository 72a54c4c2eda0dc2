"""Small synthetic exams for the tests of the results: headers, masks, predictions, answers."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

from dcis_node.mammogram.facts import ImageKind, Laterality, MammogramHeader, Reason
from dcis_node.model.evidence import BreastDecision, Candidate, Decision, LesionSource, Risk, ViewPrediction
from dcis_node.results.answer import Equipment, ExamAnswer, ModelIdentity, SourceImage, ViewPicture
from dcis_node.results.exam_results import build_results
from dcis_node.results.kinds import ResultKind

STUDY = "2.25.1001"
ORIENTATION = {("R", "CC"): "P\\L", ("L", "CC"): "A\\R", ("R", "MLO"): "P\\FL", ("L", "MLO"): "A\\FR"}
MODEL = ModelIdentity("dcis-demo", "1.2.0", "ab" * 32, "upstage", synthetic=True, threshold=0.5, folds=5)
EQUIPMENT = Equipment("dcis-node project", "dcis-node", "0.1.0", "node-7", "RESEARCH1", "Test hospital", "DCISNODE")
MADE_AT = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)


def attributes(laterality="R", view="CC", *, number=1, study=STUDY, rows=120, columns=90, **changed):
    """A mammogram's header; None takes an attribute away."""
    values = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": DigitalMammographyXRayImageStorageForPresentation,
        "SOPInstanceUID": f"{study}.{number}",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.{number}.1",
        "StudyDate": "20260105",
        "StudyTime": "101500",
        "AccessionNumber": "ACC-77",
        "StudyID": "S1",
        "ReferringPhysicianName": "Ref^Erring",
        "StudyDescription": "Mammography",
        "PatientName": "Muster^Anna",
        "PatientID": "PID-000123",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientBirthDate": "19600101",
        "PatientSex": "F",
        "PatientAge": "066Y",
        "Modality": "MG",
        "Manufacturer": "Vendor",
        "ManufacturerModelName": "Mammograph",
        "SoftwareVersions": ["1.0", "2.0"],
        "DeviceSerialNumber": "M-1",
        "Rows": rows,
        "Columns": columns,
        "ImagerPixelSpacing": [0.1, 0.1],
        "EstimatedRadiographicMagnificationFactor": 1.06,
        "PatientOrientation": ORIENTATION.get((laterality, view), "A\\R"),
        "ImageLaterality": laterality,
        "ViewPosition": view,
    } | changed
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in values.items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def header(ds, **changed):
    """The facts of such a header, as the node reads them."""
    spacing = ds.get("ImagerPixelSpacing")
    facts = MammogramHeader(
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        study_instance_uid=str(ds.StudyInstanceUID),
        series_instance_uid=str(ds.SeriesInstanceUID),
        transfer_syntax_uid=str(ExplicitVRLittleEndian),
        kind=ImageKind.FFDM,
        modality="MG",
        laterality=Laterality(ds.ImageLaterality) if ds.get("ImageLaterality") else None,
        view=ds.get("ViewPosition"),
        rows=ds.Rows,
        columns=ds.Columns,
        spacing_mm=(float(spacing[0]), float(spacing[1])) if spacing else None,
        magnification=1.06,
        patient_orientation=tuple(ds.get("PatientOrientation") or ()),
    )
    return replace(facts, **changed)


def mask_of(*boxes, rows=120, columns=90):
    """A mask with rectangles (first row, first column, last row + 1, last column + 1)."""
    mask = np.zeros((rows, columns), dtype=bool)
    for row0, column0, row1, column1 in boxes:
        mask[row0:row1, column0:column1] = True
    return mask


def prediction(mask, *, probability=0.62, source=LesionSource.FOUND, calcifications=14):
    """What the model would say of a view with that mask."""
    if not mask.any():
        return ViewPrediction(LesionSource.NONE, None, (), None, (), mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    centre = (float(rows.mean()), float(columns.mean()))
    area = int(mask.sum())
    candidate = Candidate(*centre, box, area, 0.8 * area, 0.8, calcifications)
    folds = tuple(round(probability + d, 6) for d in (-0.07, -0.03, 0.0, 0.04, 0.06))
    return ViewPrediction(source, probability, folds, centre, (candidate,), mask)


def picture_of(laterality, shape):
    """A small picture, stored as it hangs: brighter at the chest wall, air in its outermost column only."""
    height, width = max(2, shape[0] // 2), max(4, shape[1] // 2)
    grey = np.full((height, width), 80, dtype=np.uint8)
    grey[:, 0], grey[:, width // 2 :] = 0, 180
    return ViewPicture(grey if laterality == "R" else grey[:, ::-1].copy(), mirrored=False)


def image(laterality="R", view="CC", *, number=1, box=(30, 20, 50, 45), mask=None, probability=0.62, **changed):
    """One analysed view."""
    ds = attributes(laterality, view, number=number, **changed)
    if mask is None:
        mask = mask_of(*([box] if box else []), rows=ds.Rows, columns=ds.Columns)
    picture = picture_of(laterality, mask.shape)
    return SourceImage(header(ds), ds, Reason.ELIGIBLE, "", prediction(mask, probability=probability), picture=picture)


def refused(laterality="R", view="CC", *, number=1, reason=Reason.MAGNIFICATION_VIEW, explanation=None, **changed):
    """One received view that was left out."""
    ds = attributes(laterality, view, number=number, **changed)
    return SourceImage(header(ds), ds, reason, explanation or "This is a magnification view.")


def four_views():
    """R with a lesion in both views, L without."""
    return (
        image("R", "CC", number=1, box=(30, 20, 50, 45), probability=0.6),
        image("L", "CC", number=2, box=None),
        image("R", "MLO", number=3, box=(60, 40, 90, 52), probability=0.64),
        image("L", "MLO", number=4, box=None),
    )


RIGHT_HIGH = BreastDecision("R", 0.62, Risk.HIGH, ("CC", "MLO"), ("folds_disagree",))
LEFT_NONE = BreastDecision("L", None, Risk.NO_LESION, ())
HIGH = Decision((RIGHT_HIGH, LEFT_NONE), 0.62, Risk.HIGH, 0.5)
LOW = Decision((BreastDecision("R", 0.31, Risk.LOW, ("CC", "MLO")), LEFT_NONE), 0.31, Risk.LOW, 0.5)
NOTHING = Decision((BreastDecision("R", None, Risk.NO_LESION, ()), LEFT_NONE), None, Risk.NO_LESION, 0.5)
NOT_ANALYSED = Decision((), None, Risk.NOT_ANALYSED, 0.5)


def answer(images=None, decision=HIGH, **changed):
    """An answer over these images."""
    values = {
        "images": four_views() if images is None else tuple(images),
        "decision": decision,
        "model": MODEL,
        "equipment": EQUIPMENT,
        "made_at": MADE_AT,
        "inputs_sha256": "cd" * 32,
        "completeness": "All four standard views were received.",
    } | changed
    return ExamAnswer(**values)


# What most tests look at: the reports and the segmentations.
BASIC = frozenset({ResultKind.READABLE_REPORT, ResultKind.MEASUREMENT_REPORT, ResultKind.SEGMENTATION})


@cache
def four_view_results(kinds=BASIC):
    """The results of `answer()`, built once: they are bytes, and no test can change them."""
    return build_results(answer(), kinds)


def results_of(*args, kinds=BASIC, **changed):
    """The results of an answer."""
    return build_results(answer(*args, **changed), kinds) if args or changed else four_view_results(kinds)
