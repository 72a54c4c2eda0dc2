"""Which subgroup a patient belongs to, and which are too small to be spoken of."""

# Below ten patients a figure says more about these few than about the model, and may point at one of them.
LEAST_PATIENTS = 10
# An area under the curve of fewer than five of a class has an interval that holds nearly everything.
LEAST_OF_A_CLASS = 5
UNKNOWN = "unknown"
SIZES = ("< 15 mm", "15-30 mm", "> 30 mm")


def size_group(size_mm: float | None) -> str:
    """Give the size's group; 15 and 30 mm belong to the middle one."""
    if size_mm is None:
        return UNKNOWN
    if size_mm < 15.0:
        return SIZES[0]
    return SIZES[1] if size_mm <= 30.0 else SIZES[2]


def too_few(patients: int) -> bool:
    """Tell whether a subgroup's figures are withheld."""
    return patients < LEAST_PATIENTS


def has_both(labels: list[int]) -> bool:
    """Tell whether an area under the curve is worth giving."""
    return min(labels.count(0), labels.count(1)) >= LEAST_OF_A_CLASS
