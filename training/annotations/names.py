"""What a segment is of: its coded type if that says so, else its name, else what a tool calls it by default."""

import re
from typing import Final

from training.annotations.annotation import CALCIFICATION, REGION

# PS3.16 CID 6014, and the retired codes of the same concepts.
_CODES: Final = {
    "129769006": REGION,  # calcification cluster
    "F-01775": REGION,
    "111105": REGION,
    "129770007": CALCIFICATION,  # individual calcification
    "F-01776": CALCIFICATION,
    "111104": CALCIFICATION,
}
# English, with the Dutch and German stems; "calcified region" and "cluster of calcifications" are regions.
_OTHER: Final = re.compile(r"benign|vascul|vessel|arter|skin|(^|[^a-z])not?([^a-z]|$)|non[- _]?les")
_REGION: Final = re.compile(
    r"region|regio|lesi|laesi|läsi|cluster|group|groep|grupp|area|gebied|(^|[^a-z])roi([^a-z]|$)|dcis|outline|contour"
)
_CALCIFICATION: Final = re.compile(r"calc|kalk|(^|[^a-z])mc([^a-z]|$)")
_DEFAULT: Final = re.compile(r"(segment(ation)?|label|mask|annotation|untitled)?[ _-]*\d*")
_BIOPSIED: Final = re.compile(r"biops|biopt")

ALLOWED: Final = "name it as a lesion region (region, lesion, cluster, DCIS ...) or as calcifications (calc ...)"


def label_of(name: str, *, code: str = "", meaning: str = "") -> int | None:
    """Give the label of a segment.

    Parameters
    ----------
    name
        What the reader called it.
    code, meaning
        Of its type, where the format has one.

    Returns
    -------
        1 lesion region, 2 calcification, None if it is neither. A tool's default name, or the mere fact that it was
        biopsied, is a lesion region.
    """
    if code in _CODES:
        return _CODES[code]
    lower = name.strip().lower()
    if _DEFAULT.fullmatch(lower):  # Slicer's default type is "Tissue"
        return None if _OTHER.search(meaning.lower()) else _label_of_words(meaning.lower()) or REGION
    return _label_of_words(lower)


def is_biopsied(name: str) -> bool:
    """Tell whether the name marks the part that was biopsied."""
    return bool(_BIOPSIED.search(name.lower()))


def _label_of_words(lower: str) -> int | None:
    if _OTHER.search(lower):
        return None
    if _REGION.search(lower):
        return REGION
    if _CALCIFICATION.search(lower):
        return CALCIFICATION
    return REGION if _BIOPSIED.search(lower) else None
