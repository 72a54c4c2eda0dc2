"""The SEG of one view: BINARY, full rows x columns, one segment, the lesion with all its pieces.

One object per view: mammograms have no Frame of Reference, and without one a SEG holds a single source image.
Explicit VR Little Endian: every PACS takes it; JPEG 2000 of one bit is 250 times smaller and read by few.
"""

from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.errors import ResultError
from dcis_node.results import codes
from dcis_node.results.answer import ExamAnswer, ResultObject, SourceImage
from dcis_node.results.identity import (
    RESEARCH_USE,
    SYNTHETIC_SHORT,
    coded,
    derived_uid,
    dress,
    model_line,
    plain,
    result_uid,
    stand_in,
)
from dcis_node.results.kinds import ResultKind
from dcis_node.results.lesion import Lesion
from dcis_node.results.sr.document import written

KIND = ResultKind.SEGMENTATION
# CIELab of a clear cyan: seen on grey, and not the red that reads as an alarm (PS3.3 C.10.7.1.1).
COLOUR_CIELAB = (59392, 20992, 27136)


def build_segmentation(
    answer: ExamAnswer, image: SourceImage, lesion: Lesion, *, label: str, number: int
) -> ResultObject:
    """Build the SEG of one view.

    Parameters
    ----------
    lesion
        Of this view; the segment shares the tracking identifiers of its first outline.
    label
        Name of the view.
    number
        Of the series.
    """
    if image.prediction is None:
        raise ResultError("a view that was not analysed has no segmentation")
    uid = image.header.sop_instance_uid
    ds = Segmentation(
        source_images=[stand_in(image)],
        pixel_array=image.prediction.mask,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(answer, image, lesion, label=label)],
        series_instance_uid=result_uid(answer, f"{KIND}/series", source_uid=uid),
        series_number=number,
        sop_instance_uid=result_uid(answer, KIND, source_uid=uid),
        instance_number=1,
        manufacturer=answer.equipment.manufacturer,
        manufacturer_model_name=answer.equipment.model_name,
        software_versions=answer.equipment.software_version,
        device_serial_number=answer.equipment.device_serial_number,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label="CALCIFICATIONS",
        content_description=plain(_description(answer), limit=64),
        pixel_measures=_pixel_measures(image),
    )
    _finish(ds, image)
    dress(ds, answer, source=image, description=f"{label} DCIS outline", number=number)
    return written(ds, ExplicitVRLittleEndian, KIND)


def _description(answer: ExamAnswer) -> str:
    # LO: 64 characters, so the sentence in full stands with the segment.
    return SYNTHETIC_SHORT if answer.model.synthetic else RESEARCH_USE


def _segment(answer: ExamAnswer, image: SourceImage, lesion: Lesion, *, label: str) -> SegmentDescription:
    model = answer.model
    synthetic = "SYNTHETIC " if model.synthetic else ""
    algorithm = AlgorithmIdentificationSequence(
        name=plain(model.name, limit=64),
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=plain(model.version, limit=64),
        source=plain(answer.equipment.manufacturer, limit=64),
        parameters={"bundle_sha256": model.sha256},
    )
    description = SegmentDescription(
        segment_number=1,
        segment_label=plain(f"RUO {synthetic}calcifications {label}", limit=64),
        segmented_property_category=codes.ABNORMAL_STRUCTURE,
        segmented_property_type=codes.CALCIFICATION_CLUSTER,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=lesion.outlines[0].tracking_uid,
        tracking_id=lesion.outlines[0].tracking_id,
        anatomic_regions=[codes.BREAST],
    )
    side = codes.SIDE.get(image.header.laterality or "")
    if side is not None:
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [coded(side)]
    description.SegmentDescription = plain(model_line(answer), limit=1024)
    description.RecommendedDisplayCIELabValue = list(COLOUR_CIELAB)
    return description


def _pixel_measures(image: SourceImage) -> PixelMeasuresSequence | None:
    """Give the detector's spacing: OHIF does not open a SEG without Pixel Measures."""
    spacing = image.header.spacing_mm
    return PixelMeasuresSequence(pixel_spacing=spacing, slice_thickness=None) if spacing else None


def _finish(ds: Dataset, image: SourceImage) -> None:
    """Add what viewers need and highdicom does not write for an image without a Frame of Reference."""
    # highdicom draws this one by chance.
    organization = derived_uid(str(ds.SOPInstanceUID), "dimension organization")
    ds.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in ds.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    shared = ds.SharedFunctionalGroupsSequence[0]
    if "PixelMeasuresSequence" not in shared:
        # No spacing is stated, and none is made up. But OHIF fails on an empty item, so it holds the one value that
        # means nothing for a projection and from which nothing in the image plane is measured.
        measures = Dataset()
        measures.SliceThickness = 1
        shared.PixelMeasuresSequence = [measures]
    orientation = Dataset()
    # Rows and columns of the image itself, as there is no patient coordinate system.
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PlaneOrientationSequence = [orientation]
    # PS3.3 C.7.6.1: type 2C where there is no Image Orientation (Patient) on the top level.
    ds.PatientOrientation = list(image.header.patient_orientation) or ""
