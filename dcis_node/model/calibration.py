"""From the network's probability to one that is held against how often it came true."""

import math
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

# A probability of exactly 0 or 1 has no logit. 1e-6 is far below what a bundle's calibration can tell apart.
_EDGE = 1e-6


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Calibration:
    """A straight line on the logit (Platt): p -> sigmoid(slope * logit(p) + intercept).

    A positive slope keeps the order of any two probabilities of a fold, so it changes no fold's AUC. Needed because
    training draws both classes equally often and the focal loss compresses probabilities.
    """

    slope: Annotated[float, Field(gt=0.0)] = 1.0
    intercept: float = 0.0

    def apply(self, probability: float) -> float:
        """Give the calibrated probability of one in [0, 1]."""
        p = min(max(probability, _EDGE), 1.0 - _EDGE)
        value = self.slope * math.log(p / (1.0 - p)) + self.intercept
        return 1.0 / (1.0 + math.exp(-value)) if value >= 0 else math.exp(value) / (1.0 + math.exp(value))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the manifest."""
        return asdict(self)
