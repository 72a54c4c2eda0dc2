"""Geometry, sharpness and grey scale of several vendors' images, after real headers (no vendor's name is used).

The attributes of the grey scale stand in a small dataset: the exam's files carry it, and the transforms that training
sees are read from it by the same code that the node runs.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dcis_node.phantom.noise import Field

LUT_KINDS = ("window", "windows", "linear_exact", "sigmoid", "lut", "luts", "sigmoid_and_luts", "none")
_EXPLANATIONS = ("NORMAL", "HARDER", "SOFTER")
_WIDTHS = (1.0, 0.75, 1.35)  # of the three presentations
# Signal that a normal presentation shows as black and as white.
_BLACK, _WHITE = 0.03, 0.82


@dataclass(frozen=True)
class Vendor:
    """How one kind of detector stores its image.

    Parameters
    ----------
    rows, columns, pitch_mm
        Matrix, and Imager Pixel Spacing.
    bits
        Bits Stored.
    blur_mm
        Standard deviation of the detector's point spread.
    noise
        Standard deviation of the noise at mid grey, in signal.
    air
        Stored value where no breast is.
    floor, scale
        Stored value = floor + scale * signal, inside the breast.
    lut_kinds
        Kinds of grey scale seen with this vendor; one is drawn per exam.
    """

    name: str
    rows: int
    columns: int
    pitch_mm: float
    bits: int
    blur_mm: float
    noise: float
    air: int
    floor: int
    scale: int
    lut_kinds: tuple[str, ...]
    monochrome1: bool = False

    @property
    def top(self) -> int:
        """Largest stored value."""
        return (1 << self.bits) - 1


VENDORS = MappingProxyType(
    {
        v.name: v
        for v in (
            Vendor("hologic", 3328, 2560, 0.07, 12, 0.055, 0.016, 0, 180, 3300, ("windows", "window", "luts")),
            Vendor("hologic_large", 4096, 3328, 0.07, 12, 0.055, 0.016, 0, 180, 3300, ("windows", "window", "luts")),
            Vendor("ge", 3062, 2394, 0.0940909, 12, 0.075, 0.014, 90, 520, 3000, ("sigmoid_and_luts", "sigmoid")),
            Vendor("siemens", 3518, 2800, 0.085, 12, 0.065, 0.015, 0, 60, 4300, ("linear_exact", "window")),
            Vendor("fuji", 4728, 3540, 0.05, 14, 0.050, 0.020, 0, 900, 13000, ("lut", "window"), monochrome1=True),
        )
    }
)
# Share in a mixed cohort; the rarest is also the slowest.
VENDOR_SHARES = MappingProxyType({"hologic": 0.5, "hologic_large": 0.1, "ge": 0.17, "siemens": 0.17, "fuji": 0.06})


def digitise(signal: Field, inside: Field, *, vendor: Vendor) -> NDArray[np.uint16]:
    """Turn signal into stored values, brighter = larger.

    Parameters
    ----------
    signal, inside
        (rows, columns) float32; `inside` 0..1 is the share of the pixel that is breast.
    """
    value = np.float32(vendor.air) + inside * np.float32(vendor.floor - vendor.air)
    value += np.float32(vendor.scale) * signal
    # Only the marker is as white as the scale allows, only air as black: the full range of a view is always the same.
    limit = np.float32(vendor.top - 1)
    return np.asarray(np.rint(np.clip(value, vendor.air, limit)), np.uint16)


def polarise(stored: NDArray[np.uint16], *, vendor: Vendor) -> NDArray[np.uint16]:
    """Invert the values for a vendor that stores MONOCHROME1."""
    return np.asarray(np.uint16(vendor.top) - stored, np.uint16) if vendor.monochrome1 else stored


def display_dataset(vendor: Vendor, lut: str) -> Dataset:
    """Give the attributes that say how the values are shown.

    Parameters
    ----------
    lut
        One of `LUT_KINDS`.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    if lut not in LUT_KINDS:
        raise ValueError(f"unknown kind of grey scale; known: {', '.join(LUT_KINDS)}")
    ds = Dataset()
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME1" if vendor.monochrome1 else "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, vendor.bits, vendor.bits - 1, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "INVERSE" if vendor.monochrome1 else "IDENTITY"
    if "window" in lut or lut in ("linear_exact", "sigmoid", "sigmoid_and_luts"):
        _add_windows(ds, vendor, lut)
    if "lut" in lut:
        _add_luts(ds, vendor, 1 if lut == "lut" else 3)
    return ds


def _stored(vendor: Vendor, signal: float) -> float:
    value = vendor.floor + vendor.scale * signal
    return vendor.top - value if vendor.monochrome1 else value


def _add_windows(ds: Dataset, vendor: Vendor, lut: str) -> None:
    count = 1 if lut in ("window", "linear_exact") else 3
    ends = _stored(vendor, _BLACK), _stored(vendor, _WHITE)
    centre, width = (ends[0] + ends[1]) / 2.0, abs(ends[1] - ends[0])
    function = {"linear_exact": "LINEAR_EXACT", "sigmoid": "SIGMOID", "sigmoid_and_luts": "SIGMOID"}.get(lut)
    if lut == "linear_exact":  # as one vendor does: the whole range of 12 bits
        centre, width = (vendor.top + 1) / 2.0, float(vendor.top + 1)
    if function == "SIGMOID":
        width *= 0.8
    ds.WindowCenter = [f"{centre:.0f}"] * count
    ds.WindowWidth = [f"{width * factor:.0f}" for factor in _WIDTHS[:count]]
    if count > 1:
        ds.WindowCenterWidthExplanation = list(_EXPLANATIONS[:count])
    if function:
        ds.VOILUTFunction = function


def _add_luts(ds: Dataset, vendor: Vendor, count: int) -> None:
    items = []
    for explanation, factor in zip(_EXPLANATIONS[:count], _WIDTHS, strict=False):
        half = 0.5 * factor * (_WHITE - _BLACK)
        middle = 0.5 * (_WHITE + _BLACK)
        ends = sorted((_stored(vendor, max(middle - half, 0.0)), _stored(vendor, middle + half)))
        first, last = max(1, round(ends[0])), min(vendor.top, round(ends[1]))
        share = np.linspace(0.0, 1.0, last - first + 1)
        curve = 0.55 * share + 0.45 * share * share * (3.0 - 2.0 * share)  # a gentle S
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [last - first + 1, first, 12])
        item.LUTExplanation = explanation
        item.add_new("LUTData", "US", [int(v) for v in np.rint(curve * 4095.0)])
        items.append(item)
    ds.VOILUTSequence = items
