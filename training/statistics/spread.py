"""How far the folds lie apart."""

from collections.abc import Sequence

import numpy as np

from training.statistics.interval import rounded


def spread(values: Sequence[float]) -> dict[str, float | None] | None:
    """Give mean, standard deviation (of a sample), lowest and highest; None without a value. nan are left out."""
    known = np.array([value for value in values if not np.isnan(value)])
    if not known.size:
        return None
    deviation = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    return {
        "mean": rounded(float(known.mean())),
        "sd": rounded(deviation),
        "lowest": rounded(float(known.min())),
        "highest": rounded(float(known.max())),
    }
