"""How a view lies in its file: Patient Orientation (0020,0020) and the turns that go with it."""

from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

# PS3.3 C.7.6.1.1.1: direction of the rows, then of the columns. By rule the breasts hang chest wall to chest wall:
# a right one points to the left edge, a left one to the right edge.
_STANDARD = MappingProxyType(
    {("R", "CC"): ("P", "L"), ("L", "CC"): ("A", "R"), ("R", "MLO"): ("P", "FL"), ("L", "MLO"): ("A", "FR")}
)
_OPPOSITE = MappingProxyType({"A": "P", "P": "A", "L": "R", "R": "L", "FL": "HR", "FR": "HL"})
STORAGES = ("standard", "mirrored", "rotated")
_Pixel = TypeVar("_Pixel", bound=np.generic)


def is_mirrored(laterality: str) -> bool:
    """Tell whether the file of this side mirrors the canonical view (chest wall on the left)."""
    return laterality == "R"


def patient_orientation(laterality: str, view: str, *, storage: str = "standard") -> tuple[str, str]:
    """Give the two values of Patient Orientation for a view.

    Parameters
    ----------
    storage
        `standard`; `mirrored` (rows turned round); `rotated` (by 180 degrees). The values follow the pixels.
    """
    rows, columns = _STANDARD[laterality, view]
    if storage in ("mirrored", "rotated"):
        rows = _OPPOSITE[rows]
    if storage == "rotated":
        columns = _OPPOSITE[columns]
    return rows, columns


def to_stored(array: NDArray[_Pixel], laterality: str, *, storage: str = "standard") -> NDArray[_Pixel]:
    """Turn a canonical (rows, columns) array to the way it is stored; a copy."""
    mirrored = is_mirrored(laterality) != (storage in ("mirrored", "rotated"))
    turned = array[:, ::-1] if mirrored else array
    return np.ascontiguousarray(turned[::-1] if storage == "rotated" else turned)
