"""How well an outline fits."""

import numpy as np
from numpy.typing import NDArray


def dice(outlined: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Give twice the overlap over the sum of the areas; 1 where both are empty."""
    areas = int(outlined.sum()) + int(true.sum())
    return 2.0 * int((outlined & true).sum()) / areas if areas else 1.0
