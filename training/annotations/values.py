"""Label maps: which numbers in a picture mean what."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from training.annotations.annotation import CALCIFICATION, REGION, Labels

# White of an 8-bit and of a 16-bit mask.
_WHITE: Final = (255, 65535)


def labels_of(values: NDArray[np.generic], *, file: str) -> Labels:
    """Read a label map: 0 and 1, 0 and 2, or 0, 1 and 2; or a mask of 0 and white.

    Parameters
    ----------
    values
        (rows, columns) of any numbers.

    Returns
    -------
    Labels
        (rows, columns) uint8 in {0, 1, 2}; white becomes 1.

    Raises
    ------
    TrainingError
        If there is any other value.
    """
    found = {float(value) for value in np.unique(values)} - {0.0}
    if len(found) == 1 and found <= set(_WHITE):
        return np.asarray(values != 0, np.uint8) * np.uint8(REGION)
    if not found <= {REGION, CALCIFICATION}:
        unknown = ", ".join(f"{value:g}" for value in sorted(found - {REGION, CALCIFICATION})[:5])
        raise TrainingError(
            f"{file}: unknown label values {unknown}; allowed are 0 background, 1 lesion region, 2 calcification, "
            "or one white value"
        )
    return values.astype(np.uint8)
