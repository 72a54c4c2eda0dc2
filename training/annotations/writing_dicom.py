"""Write a label picture as a DICOM SEG of the image it belongs to."""

from pathlib import Path
from typing import Final

import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from training.annotations.annotation import CALCIFICATION, REGION, Labels

_ABNORMAL: Final = Code("49755003", "SCT", "Morphologically Abnormal Structure")  # CID 7150
# PS3.16 CID 6014.
_TYPES: Final = {
    REGION: Code("129769006", "SCT", "Calcification Cluster"),
    CALCIFICATION: Code("129770007", "SCT", "Individual Calcification"),
}
_NAMES: Final = {REGION: "Lesion region", CALCIFICATION: "Calcifications"}
_SERIES_NUMBER: Final = 100


def write_dicom_seg(path: Path, source: Dataset, labels: Labels, *, segmentation_type: str = "BINARY") -> None:
    """Write a SEG of the whole image, one segment per label, the region without its calcifications.

    Parameters
    ----------
    source
        Header of the image, without a Frame of Reference as mammograms are. UIDs are derived from its own.
    labels
        (rows, columns) uint8 of the image's size: 0 background, 1 lesion region, 2 calcification.
    segmentation_type
        `BINARY`, `LABELMAP` or `FRACTIONAL`.

    Raises
    ------
    ValueError
        If nothing is labelled, or the size is another one.
    """
    present = [label for label in (REGION, CALCIFICATION) if (labels == label).any()]
    if not present:
        raise ValueError("nothing is labelled: there is no SEG without a segment")
    masks = np.stack([labels == label for label in present], axis=-1)
    fractional = segmentation_type == "FRACTIONAL"
    name = f"{source.SOPInstanceUID}/annotation"
    ds = Segmentation(
        source_images=[source],
        pixel_array=masks[None].astype(np.float32 if fractional else np.uint8),
        segmentation_type=SegmentationTypeValues[segmentation_type],
        segment_descriptions=[_segment(number, label) for number, label in enumerate(present, start=1)],
        series_instance_uid=generate_uid(entropy_srcs=[name, "series"]),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=generate_uid(entropy_srcs=[name, "instance"]),
        instance_number=1,
        manufacturer="SYNTHETIC",
        manufacturer_model_name="Annotation writer",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label="ANNOTATION",
        series_description="Synthetic annotation",
    )
    ds.save_as(path)


def _segment(number: int, label: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=_NAMES[label],
        segmented_property_category=_ABNORMAL,
        segmented_property_type=_TYPES[label],
        algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
    )
