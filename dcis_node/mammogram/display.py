"""From stored pixel values to what a radiologist sees: grey in [0, 1], air black.

The steps are those of PS3.3 C.11: modality transform, VOI transform, polarity. An image may offer several VOI
transforms; each is one choice. `transforms` lists them in a fixed order and `choose` picks one by a fixed rule, so
the node answers the same image the same way. Training may draw from the same list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from dcis_node.mammogram.curves import FullRange, Rescale, Table, Window
from dcis_node.mammogram.voi import is_inverted, read_modality, read_padding, read_tables, read_windows

# Wider ranges of stored values are computed pixel by pixel rather than by a table over the range.
LARGEST_TABLE = 1 << 20


@dataclass(frozen=True, eq=False)
class DisplayTransform:
    """One way to show one image.

    Parameters
    ----------
    name
        Stable name for reports and records: `voi_lut_1_normal`, `window_2_sigmoid`, `min_max`. Holds no free text.
    voi
        The VOI step: a window, a lookup table, or the full range of the image's own values.
    modality
        The modality step before it.
    inverted
        True if small values are bright (MONOCHROME1, or Presentation LUT Shape INVERSE).
    padding
        Smallest and largest stored value (inclusive) that marks "no image here" (Pixel Padding Value (0028,0120) and
        Range Limit (0028,0121)), or None. Such pixels come out black whatever the curves say.
    explanation
        `normal`, `harder`, `softer`, or "" where the image says nothing known.
    """

    name: str
    voi: Window | Table | FullRange
    modality: Rescale | Table = field(default_factory=Rescale)
    inverted: bool = False
    padding: tuple[int, int] | None = None
    explanation: str = ""

    @property
    def kind(self) -> str:
        """`voi_lut`, `window` or `min_max`."""
        return {Table: "voi_lut", Window: "window", FullRange: "min_max"}[type(self.voi)]

    def apply(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Map stored values to grey.

        Parameters
        ----------
        stored
            Stored pixel values: integers of any shape, signed or not.

        Returns
        -------
            float32 of the same shape in [0, 1]; 0 is black, 1 is white.

        Raises
        ------
        TypeError
            If the values are not integers.
        """
        if stored.dtype.kind not in "iu":
            raise TypeError("stored values are integers")
        if stored.size == 0:
            return np.zeros(stored.shape, np.float32)
        low, high = int(stored.min()), int(stored.max())
        limits = self._limits(stored, low, high) if isinstance(self.voi, FullRange) else (0.0, 0.0)
        if high - low >= LARGEST_TABLE:
            return self._grey(stored.astype(np.float64), limits)
        table = self._grey(np.arange(low, high + 1, dtype=np.float64), limits)
        # Wraps round in the signed case; read as unsigned, the difference is right again.
        offset = (stored - stored.dtype.type(low)).view(stored.dtype.str.replace("i", "u"))
        return np.asarray(table[offset], np.float32)

    def _grey(self, values: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float32]:
        measured = self.modality(values)
        if isinstance(self.voi, FullRange):
            grey = self.voi.unit(measured, low=limits[0], high=limits[1])
        else:
            grey = self.voi.unit(measured)
        if self.inverted:
            grey = 1.0 - grey
        if self.padding is not None:
            grey[(values >= self.padding[0]) & (values <= self.padding[1])] = 0.0
        return grey.astype(np.float32)

    def _limits(self, stored: NDArray[Any], low: int, high: int) -> tuple[float, float]:
        """Give the smallest and largest modality value of the image, leaving padding out."""
        if self.padding is not None:
            inside = stored[(stored < self.padding[0]) | (stored > self.padding[1])]
            if inside.size:
                low, high = int(inside.min()), int(inside.max())
        steps = np.linspace(low, high, min(high - low + 1, LARGEST_TABLE))
        measured = self.modality(steps)
        return float(measured.min()), float(measured.max())


def transforms(ds: Dataset) -> tuple[DisplayTransform, ...]:
    """List every way the image offers to show it; never empty.

    Parameters
    ----------
    ds
        The image's attributes; Pixel Data is not needed.

    Returns
    -------
        Its VOI LUTs in order, then its windows in order; where it has neither that can be used, the full range of
        its values.
    """
    plain = DisplayTransform(
        "min_max", FullRange(), modality=read_modality(ds), inverted=is_inverted(ds), padding=read_padding(ds)
    )
    tables = [
        replace(plain, name=_name(f"voi_lut_{n}", word), voi=table, explanation=word)
        for n, (table, word) in enumerate(read_tables(ds), start=1)
    ]
    windows = [
        replace(plain, name=_name(f"window_{n}", window.function.lower(), word), voi=window, explanation=word)
        for n, (window, word) in enumerate(read_windows(ds), start=1)
    ]
    return (*tables, *windows) or (plain,)


def _name(*parts: str) -> str:
    return "_".join(part for part in parts if part)


def choose(choices: Sequence[DisplayTransform]) -> DisplayTransform:
    """Pick the transform that the node uses, always the same one for the same image.

    The rule: a VOI LUT before a window before the full range (PS3.3 C.11.2: a VOI LUT and a window are alternatives,
    and a vendor that sends a table drew it for this image); among those, one explained as NORMAL before any other;
    then the first in the image's own order.

    Raises
    ------
    ValueError
        If there is nothing to choose from (`transforms` never gives that).
    """
    if not choices:
        raise ValueError("no display transform to choose from")
    rank = {"voi_lut": 0, "window": 1, "min_max": 2}
    return min(choices, key=lambda choice: (rank[choice.kind], choice.explanation != "normal"))


def brightest(choices: Sequence[DisplayTransform], stored: NDArray[Any]) -> NDArray[np.float32]:
    """Show each pixel as the brightest of all choices does: the picture in which to look for the breast.

    A hard window or table shows fat as black as air; a softer one of the same image, where there is one, does not.

    Parameters
    ----------
    choices
        What `transforms` gave.
    stored
        Stored pixel values, integers of any shape.

    Returns
    -------
        float32 of the same shape in [0, 1].
    """
    grey = choose(choices).apply(stored)
    for choice in choices:
        np.maximum(grey, choice.apply(stored), out=grey)
    return grey


def small_picture(grey: NDArray[np.float32], *, longest: int = 1000) -> NDArray[np.uint8]:
    """Reduce a view to a small picture, each pixel the mean of those it covers.

    Parameters
    ----------
    grey
        (rows, columns) in [0, 1], as `DisplayTransform.apply` gives it.
    longest
        Pixels of the longer side at most; a smaller view stays as it is.

    Returns
    -------
        uint8, the same picture with its sides divided by one number (up to the rounding to whole pixels).
    """
    scale = min(1.0, longest / max(grey.shape))
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    whole = Image.fromarray(np.round(grey * 255).astype(np.uint8))
    return np.asarray(whole.resize(size, Image.Resampling.BOX), dtype=np.uint8)
