"""Where to cut: the operating point that keeps the low call safe."""

from collections.abc import Sequence

import numpy as np

from training.statistics.confusion import confusion


def operating_point(labels: Sequence[int], probabilities: Sequence[float], *, npv: float = 0.909) -> float:
    """Give the highest threshold whose negative predictive value is still at least `npv`.

    The paper's network has an NPV of 90.9 % in the scenario `grade`: who is called low may be watched instead of
    operated, so the low call is the one to be kept safe. Where no threshold reaches it, the one with the best NPV.
    Thresholds lie halfway between two neighbouring probabilities; at least a twentieth must be called low, so that
    a lucky first patient does not decide.
    """
    y, p = np.asarray(labels), np.sort(np.asarray(probabilities, np.float64))
    least = max(1, len(p) // 20)
    thresholds = [float((a + b) / 2) for a, b in zip(p[least - 1 :], p[least:], strict=False) if b > a]
    if not thresholds:
        return 0.5
    values = [(confusion(y.tolist(), list(probabilities), threshold=t).npv, t) for t in thresholds]
    reached = [t for value, t in values if value >= npv]
    return max(reached) if reached else max(values)[1]
