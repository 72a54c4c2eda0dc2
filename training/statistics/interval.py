"""A figure with its confidence interval."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % confidence interval; nan where there is none."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Give plain values, see `rounded`."""
        return {"value": rounded(self.value), "low": rounded(self.low), "high": rounded(self.high)}


NO_INTERVAL = Interval(math.nan, math.nan, math.nan)


def rounded(value: float) -> float | None:
    """Give a figure to four places; None where it is none, as JSON has no nan."""
    return None if math.isnan(value) else round(float(value), 4)
