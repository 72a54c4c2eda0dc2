"""Segmentations as other software makes them: highdicom, in every encoding that it writes."""

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian


def segmentation(
    number: int, image: Dataset, *, box: tuple[int, int, int, int], kind="BINARY", syntax=ExplicitVRLittleEndian
) -> Dataset:
    """Outline a box (first row, first column, last row + 1, last column + 1) of an image; its UID is 1.2.3.`number`."""
    mask = np.zeros((image.Rows, image.Columns), np.uint8)
    mask[box[0] : box[2], box[1] : box[3]] = 1
    described = hd.seg.SegmentDescription(
        1,
        "Lesion",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Lesion,
        hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    return hd.seg.Segmentation(
        [image],
        mask[None] if kind == "BINARY" else mask[None].astype(np.float32),
        kind,
        [described],
        series_instance_uid=f"1.2.5.{number}",
        series_number=number,
        sop_instance_uid=f"1.2.3.{number}",
        instance_number=1,
        manufacturer="Other",
        manufacturer_model_name="Drawer",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
    )
