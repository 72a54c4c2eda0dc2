"""A SEG holds exactly the mask of its one image."""

import numpy as np
from pydicom import Dataset
from pydicom.uid import SegmentationStorage

from dcis_node.errors import ResultError
from dcis_node.results.answer import ExamAnswer
from dcis_node.results.check.reading import demand
from dcis_node.results.hanging import hung


def check_segmentation(ds: Dataset, answer: ExamAnswer) -> str:
    """Check that a SEG holds exactly the mask of its one image; give that image's UID."""
    demand(ds.SOPClassUID == SegmentationStorage, "a segmentation is of another class")
    uid = str(ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID)
    image = next((i for i in hung(answer) if i.header.sop_instance_uid == uid), None)
    if image is None or image.prediction is None:
        raise ResultError("a segmentation is of no analysed image")
    derived = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    demand(str(derived.ReferencedSOPInstanceUID) == uid, "a segmentation names two source images")
    series = ds.ReferencedSeriesSequence[0].SeriesInstanceUID
    demand(str(series) == image.header.series_instance_uid, "a segmentation names another series")
    demand((ds.Rows, ds.Columns) == (image.header.rows, image.header.columns), "a segmentation has another size")
    # PS3.5 8.1.1: the first pixel is the lowest bit of the first byte.
    packed = np.packbits(image.prediction.mask, bitorder="little").tobytes()
    same = bytes(ds.PixelData[: len(packed)]) == packed
    demand(same, "a segmentation holds another mask")
    return uid
