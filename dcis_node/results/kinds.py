"""The kinds of result objects. Their names stand in the index, in JSON and in derived UIDs, and never change."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    MammographyCADSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)


class ResultKind(StrEnum):
    """What a result object is."""

    READABLE_REPORT = "readable_report"  # Enhanced SR, TID 2000
    MEASUREMENT_REPORT = "measurement_report"  # Comprehensive 3D SR, TID 1500
    MEASUREMENT_REPORT_COMPREHENSIVE = "measurement_report_comprehensive"  # the same tree as Comprehensive SR
    CAD_REPORT = "cad_report"  # Mammography CAD SR, TID 4000
    SUMMARY_IMAGE = "summary_image"  # Secondary Capture
    SEGMENTATION = "segmentation"  # one for each outlined view
    VIEW_MEASUREMENT_REPORT = "view_measurement_report"  # the measurement report of one outlined view, 3D SR
    PRESENTATION_STATE = "presentation_state"  # GSPS, one for each view with an outline or a figure


EVERY_KIND = frozenset(ResultKind)

# Each object has a series of its own. Version n of an answer adds 100 (n - 1).
SERIES_NUMBERS = {
    ResultKind.READABLE_REPORT: 9001,
    ResultKind.MEASUREMENT_REPORT: 9002,
    ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE: 9003,
    ResultKind.CAD_REPORT: 9004,
    ResultKind.SUMMARY_IMAGE: 9005,
    # The first of a view each; the next views follow.
    ResultKind.SEGMENTATION: 9011,
    ResultKind.VIEW_MEASUREMENT_REPORT: 9031,
    ResultKind.PRESENTATION_STATE: 9051,
}

# How each kind is stored and sent; all in Explicit VR Little Endian.
SOP_CLASS_UIDS: Mapping[ResultKind, UID] = MappingProxyType(
    {
        ResultKind.READABLE_REPORT: EnhancedSRStorage,
        ResultKind.MEASUREMENT_REPORT: Comprehensive3DSRStorage,
        ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE: ComprehensiveSRStorage,
        ResultKind.CAD_REPORT: MammographyCADSRStorage,
        ResultKind.SUMMARY_IMAGE: SecondaryCaptureImageStorage,
        ResultKind.SEGMENTATION: SegmentationStorage,
        ResultKind.VIEW_MEASUREMENT_REPORT: Comprehensive3DSRStorage,
        ResultKind.PRESENTATION_STATE: GrayscaleSoftcopyPresentationStateStorage,
    }
)
