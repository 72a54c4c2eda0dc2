"""Marks as other software makes them: a segmentation, a measurement report and a drawing by highdicom, a CAD report."""

import highdicom as hd
import numpy as np
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    ImageRegion,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from tests.analyse.objects import base
from tests.analyse.segmentations import segmentation

CAD_REPORT = "1.2.840.10008.5.1.4.1.1.88.50"
PLAIN_REPORT = ComprehensiveSRStorage

__all__ = ["cad_report", "measurement_report", "plain_report", "presentation_state", "segmentation"]


def _of_study(ds: Dataset, image: Dataset) -> Dataset:
    """Put an object into the study and to the patient of an image."""
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "IssuerOfPatientID", "StudyDate", "StudyTime"):
        if keyword in image:
            setattr(ds, keyword, image[keyword].value)
    return ds


def measurement_report(number: int, image: Dataset, *, row: float, column: float, radius: float = 10.0) -> Dataset:
    """Give a TID 1500 report with one polygon round a place (0-based) of an image."""
    x, y = column + 0.5, row + 0.5
    corners = [(x - radius, y - radius), (x + radius, y - radius), (x + radius, y + radius), (x - radius, y + radius)]
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(hd.UID(), "Lesion"),
        referenced_region=ImageRegion(
            graphic_type="POLYLINE",
            graphic_data=np.array([*corners, corners[0]]),
            source_image=SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
        ),
        finding_type=codes.SCT.Lesion,
    )
    person = ObserverContext(codes.DCM.Person, PersonObserverIdentifyingAttributes(name="Reader^One"))
    content = MeasurementReport(
        observation_context=ObservationContext(observer_person_context=person),
        procedure_reported=CodedConcept("71651007", "SCT", "Mammography"),
        imaging_measurements=[group],
    )
    return Comprehensive3DSR(
        [image],
        content,
        series_instance_uid=f"1.2.5.{number}",
        series_number=number,
        sop_instance_uid=f"1.2.3.{number}",
        instance_number=1,
        manufacturer="Other",
    )


def presentation_state(number: int, image: Dataset, *, row: float, column: float, radius: float = 10.0) -> Dataset:
    """Give a presentation state with one circle drawn round a place (0-based) of an image."""
    layer = hd.pr.GraphicLayer("MARKS", order=1)
    x, y = column + 0.5, row + 0.5
    circle = hd.pr.GraphicObject("CIRCLE", np.array([(x, y), (x + radius, y)]), units="PIXEL")
    return hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid=f"1.2.5.{number}",
        series_number=number,
        sop_instance_uid=f"1.2.3.{number}",
        instance_number=1,
        manufacturer="Other",
        manufacturer_model_name="Drawer",
        software_versions="1",
        device_serial_number="1",
        content_label="LESION",
        graphic_layers=[layer],
        graphic_annotations=[hd.pr.GraphicAnnotation([image], layer, graphic_objects=[circle])],
        voi_lut_transformations=[hd.pr.SoftcopyVOILUTTransformation(window_center=2048, window_width=4096)],
    )


def _coded(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _content(value_type: str, concept=None, children=(), *, relationship="CONTAINS", **attributes) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, value_type
    if concept:
        item.ConceptNameCodeSequence = [_coded(*concept)]
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    if children:
        item.ContentSequence = list(children)
    return item


def cad_report(number: int, image: Dataset, *, row: float, column: float) -> Dataset:
    """Give another vendor's Mammography CAD SR with one cluster, whose image it names by reference."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    from_library = Dataset()
    from_library.RelationshipType, from_library.ReferencedContentItemIdentifier = "SELECTED FROM", [1, 1, 1]
    center = _content(
        "SCOORD", ("111010", "DCM", "Center"), [from_library], relationship="HAS PROPERTIES",
        GraphicType="POINT", GraphicData=[column + 0.5, row + 0.5],
    )  # fmt: skip
    cluster = _content(
        "CODE", ("111059", "DCM", "Single Image Finding"), [center],
        ConceptCodeSequence=[_coded("F-01775", "SRT", "Calcification Cluster")],
    )  # fmt: skip
    impression = _content(
        "CONTAINER", ("111034", "DCM", "Individual Impression/Recommendation"), [cluster], relationship="INFERRED FROM"
    )
    library = _content(
        "CONTAINER", ("111028", "DCM", "Image Library"), [_content("IMAGE", ReferencedSOPSequence=[reference])]
    )
    summary = _content(
        "CODE", ("111017", "DCM", "CAD Processing and Findings Summary"), [impression],
        ConceptCodeSequence=[_coded("111242", "DCM", "All algorithms succeeded; with findings")],
    )  # fmt: skip
    ds = _of_study(base(number, CAD_REPORT), image)
    ds.Modality, ds.ValueType, ds.ContinuityOfContent = "SR", "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = [_coded("111036", "DCM", "Mammography CAD Report")]
    ds.ContentSequence = [library, summary]
    return ds


def plain_report(number: int, image: Dataset, *, sop_class: str = PLAIN_REPORT) -> Dataset:
    """Give a report that points at an image and marks nothing on it."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    ds = _of_study(base(number, sop_class), image)
    ds.Modality, ds.ValueType, ds.ContinuityOfContent = "SR", "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = [_coded("18748-4", "LN", "Diagnostic imaging report")]
    ds.ContentSequence = [_content("IMAGE", ReferencedSOPSequence=[reference])]
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds
