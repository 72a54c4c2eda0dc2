"""Read tables of numbers from a dataset: apart from `values`, so that who reads headers needs no numpy."""

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataelem import RawDataElement

from dcis_node.mammogram.values import UNREADABLE, element_of


def words(ds: Dataset, keyword: str) -> NDArray[np.int64]:
    """Read an attribute of 16-bit words (US, SS or OW), such as LUT Data, as whole numbers.

    Returns
    -------
        (n,) int64, as many as there are; shape (0,) if absent or unreadable, such as bytes of odd length.
    """
    none = np.zeros(0, np.int64)
    element = element_of(ds, keyword)
    if element is None:
        return none
    value = element.value
    if isinstance(value, bytes):
        little = (
            element.is_little_endian if isinstance(element, RawDataElement) else ds.original_encoding[1] is not False
        )
        return none if len(value) % 2 else np.frombuffer(value, "<u2" if little else ">u2").astype(np.int64)
    try:
        return np.atleast_1d(np.asarray(value, np.int64)) if value is not None else none
    except UNREADABLE:
        return none
