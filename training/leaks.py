"""Whether a bundle has seen what it is judged on."""

from collections.abc import Sequence

from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle
from training.cohort import CohortView

# Digits of a hash that a bundle's record names an image by: two of a million images share them by chance at 1 in 500.
SEEN_DIGITS = 12
PASSED = "passed"


def leak_check(bundle: Bundle, rows: Sequence[CohortView]) -> str:
    """Check that no test image trained the bundle, validated it, or chose its settings.

    Returns
    -------
    `passed`, or why it could not be checked.

    Raises
    ------
    TrainingError
        If one did; how many, and the first one's row.
    """
    seen = bundle.training.get("seen")
    if not seen:
        return "not possible: the bundle's record does not name the images that it was made from"
    known = set(seen)
    leaked = [row.image for row in rows if row.pixels_sha256[:SEEN_DIGITS] in known]
    if leaked:
        msg = (
            f"{len(leaked)} of {len(rows)} test images, {leaked[0]} first, were used to make {bundle.name} "
            f"{bundle.version}: figures on them would mean nothing"
        )
        raise TrainingError(msg)
    return PASSED


def refuse_other_origin(bundle: Bundle, *, cohort_sha256: str, splits_sha256: str) -> None:
    """Check that a bundle was made from this cohort and these splits, so that the test set is its own.

    Raises
    ------
    TrainingError
        Naming which of them is another, and the way out.
    """
    wanted = {"cohort": cohort_sha256, "splits": splits_sha256}
    for name, sha256 in wanted.items():
        told = bundle.training.get(f"{name}_sha256")
        if told != sha256:
            made = f"{name} {str(told)[:12]}" if told else f"{name} that its record does not name"
            msg = (
                f"{bundle.name} {bundle.version} was made from {made}, not from {sha256[:12]}; a bundle made elsewhere "
                "is judged on this locked test set with --champion"
            )
            raise TrainingError(msg)
