"""Where somebody has marked a lesion: the centres held by a SEG, a report's coordinates, a CAD report or a GSPS."""

from collections.abc import Callable
from typing import Final

from pydicom import Dataset

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import Mark
from dcis_node.mammogram.marks_gsps import read_gsps
from dcis_node.mammogram.marks_seg import read_seg
from dcis_node.mammogram.marks_sr import read_cad, read_scoords
from dcis_node.mammogram.values import text

_READERS: Final[dict[str, Callable[[Dataset], tuple[Mark, ...]]]] = {
    sop.SEGMENTATION: read_seg,
    sop.ENHANCED_SR: read_scoords,
    sop.COMPREHENSIVE_SR: read_scoords,
    sop.COMPREHENSIVE_3D_SR: read_scoords,
    sop.EXTENSIBLE_SR: read_scoords,
    sop.MAMMOGRAPHY_CAD_SR: read_cad,
    sop.GRAYSCALE_PRESENTATION_STATE: read_gsps,
}


def read_marks(ds: Dataset) -> tuple[Mark, ...]:
    """Read the marks of one object.

    Whose object it is, and whether the mark lies in its image, is for the caller to judge: neither can be told here.

    Parameters
    ----------
    ds
        The whole object; for a SEG with its pixel data and file meta information.

    Returns
    -------
        One mark per segment and frame (SEG), per drawn shape (SR, GSPS), or per calcification cluster (CAD SR), in the
        order of the object; () for any other object and for one that cannot be read. Never raises.
    """
    reader = _READERS.get(text(ds, "SOPClassUID"))
    return tuple(dict.fromkeys(reader(ds))) if reader else ()
