"""Net benefit: what treating by the model is worth against treating all, or none.

Vickers, Elkin: Decision curve analysis. Medical Decision Making 2006, 26:565-574. The paper says that it lacks this
risk-benefit analysis. "Treated" is: operated, not watched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from training.statistics.interval import rounded

# Threshold probabilities from one to 99 in a hundred: a woman who accepts surgery at a risk of t weighs a missed high
# risk against an unneeded operation as (1 - t) to t.
THRESHOLDS = tuple(step / 100 for step in range(1, 100))


def net_benefit(labels: ArrayLike, treated: ArrayLike, *, threshold: float) -> float:
    """Give true positives less false positives at their odds, per patient.

    Parameters
    ----------
    treated
        True for those who are treated.
    threshold
        Risk in (0, 1) from which treatment is wanted.
    """
    high, t = np.asarray(labels) == 1, np.asarray(treated, np.bool_)
    odds = threshold / (1.0 - threshold)
    return float(((t & high).sum() - odds * (t & ~high).sum()) / len(high))


def decision_curve(
    labels: ArrayLike, probabilities: ArrayLike, *, thresholds: Sequence[float] = THRESHOLDS
) -> list[dict[str, float | None]]:
    """Give the net benefit of the model, of treating all and of treating none at each threshold."""
    p = np.asarray(probabilities, np.float64)
    everyone = np.ones(len(p), np.bool_)
    return [
        {
            "threshold": threshold,
            "model": rounded(net_benefit(labels, p >= threshold, threshold=threshold)),
            "all": rounded(net_benefit(labels, everyone, threshold=threshold)),
            "none": 0.0,
        }
        for threshold in thresholds
    ]
