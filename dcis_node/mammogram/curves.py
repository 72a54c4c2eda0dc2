"""The grey-scale steps of PS3.3 C.11 as plain functions of the value: rescale, lookup table, window."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True)
class Rescale:
    """Rescale Slope and Intercept (PS3.3 C.11.1): output = slope * stored + intercept."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map stored values (any shape) to modality values."""
        return values * self.slope + self.intercept


@dataclass(frozen=True, eq=False)
class Table:
    """A lookup table as in a Modality LUT or VOI LUT Sequence (PS3.3 C.11.1.1.1, C.11.2.1.1).

    Parameters
    ----------
    first
        The input value that the first entry stands for. Smaller inputs take the first entry, larger ones than the
        last take the last entry.
    entries
        (n,) whole numbers.
    top
        The entry that means full output: 2**bits - 1.
    """

    first: int
    entries: NDArray[np.int64]
    top: int

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look each value up; the index is `value - first`, never the value's rank. Gives entries, unscaled."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries[index.astype(np.intp)], np.float64)

    def unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look each value up and scale the entry to [0, 1]."""
        return self(values) / self.top


@dataclass(frozen=True)
class Window:
    """Window Center and Width with their VOI LUT Function (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Raises
    ------
    ValueError
        If the width is below what the function allows: 1 for LINEAR, above 0 for the others.
    """

    center: float
    width: float
    function: WindowFunction = "LINEAR"

    def __post_init__(self) -> None:
        smallest_ok = self.width >= 1 if self.function == "LINEAR" else self.width > 0
        if not smallest_ok:
            raise ValueError("a LINEAR window is at least 1 wide, any other wider than 0")

    def unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map modality values to [0, 1]."""
        if self.function == "SIGMOID":
            # exp of at most 700 stays finite; beyond, the curve is flat anyway.
            steepness = np.clip(-4.0 * (values - self.center) / self.width, -700.0, 700.0)
            return 1.0 / (1.0 + np.exp(steepness))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0.0, 1.0)
        if self.width == 1:  # the ramp has no extent: a step at center - 0.5
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)


@dataclass(frozen=True)
class FullRange:
    """No VOI given: the image's own smallest to largest value (without padding) becomes 0 to 1."""

    def unit(self, values: NDArray[np.float64], *, low: float, high: float) -> NDArray[np.float64]:
        """Map modality values to [0, 1]; all 0 if `low` equals `high`."""
        if high <= low:
            return np.zeros_like(values)
        return np.clip((values - low) / (high - low), 0.0, 1.0)
