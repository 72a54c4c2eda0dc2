"""A SEG holds exactly the mask of its one image."""

import numpy as np
from pydicom import Dataset
from pydicom.uid import SegmentationStorage

from dcis_node.results.answer import ExamAnswer
from dcis_node.results.check.reading import demand
from dcis_node.results.check.region import analysed_image


def check_segmentation(ds: Dataset, answer: ExamAnswer) -> str:
    """Check that a SEG holds exactly the mask of its one image; give that image's UID."""
    demand(ds.SOPClassUID == SegmentationStorage, "a segmentation is of another class")
    uid = str(ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID)
    image = analysed_image(answer, uid)
    derived = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    demand(str(derived.ReferencedSOPInstanceUID) == uid, "a segmentation names two source images")
    series = ds.ReferencedSeriesSequence[0].SeriesInstanceUID
    demand(str(series) == image.header.series_instance_uid, "a segmentation names another series")
    demand((ds.Rows, ds.Columns) == (image.header.rows, image.header.columns), "a segmentation has another size")
    # PS3.5 8.1.1: the first pixel is the lowest bit of the first byte.
    packed = b"" if image.prediction is None else np.packbits(image.prediction.mask, bitorder="little").tobytes()
    same = bool(packed) and bytes(ds.PixelData[: len(packed)]) == packed
    demand(same, "a segmentation holds another mask")
    return uid
