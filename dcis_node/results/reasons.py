"""Why images were not analysed, said of one image and of many, so that a headline can give the main reason."""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from dcis_node.mammogram.facts import Reason

# Said of one image, and of several, behind "the image" or "all four images".
PREDICATES: Mapping[Reason, tuple[str, str]] = MappingProxyType(
    {
        Reason.NOT_AN_IMAGE: ("is no image", "are no images"),
        Reason.NOT_MAMMOGRAPHY: ("is no digital mammogram", "are no digital mammograms"),
        Reason.SECONDARY_CAPTURE: ("is a secondary capture", "are secondary captures"),
        Reason.FOR_PROCESSING: ("is raw (FOR PROCESSING)", "are raw (FOR PROCESSING)"),
        Reason.TOMOSYNTHESIS: ("is a tomosynthesis", "are tomosyntheses"),
        Reason.SYNTHETIC_2D: (
            "is a synthetic 2D view from tomosynthesis",
            "are synthetic 2D views from tomosynthesis",
        ),
        Reason.CONTRAST_ENHANCED: ("is contrast-enhanced", "are contrast-enhanced"),
        Reason.MAGNIFICATION_VIEW: ("is a magnification view", "are magnification views"),
        Reason.SPOT_COMPRESSION_VIEW: ("is a spot compression view", "are spot compression views"),
        Reason.SPECIMEN: ("shows a specimen", "show specimens"),
        Reason.STEREOTACTIC: ("is of a stereotactic procedure", "are of a stereotactic procedure"),
        Reason.IMPLANT_NOT_DISPLACED: (
            "shows an implant that is not displaced",
            "show an implant that is not displaced",
        ),
        Reason.UNDER_AGE: ("is of a patient under 18", "are of a patient under 18"),
        Reason.LATERALITY_UNKNOWN: ("does not say which breast it shows", "do not say which breast they show"),
        Reason.VIEW_UNKNOWN: ("does not say which view it is", "do not say which view they are"),
        Reason.VIEW_NOT_SUPPORTED: (
            "is of a kind of view that is not analysed",
            "are of kinds of view that are not analysed",
        ),
        Reason.IDENTIFIERS_INVALID: ("has no valid identifiers", "have no valid identifiers"),
        Reason.UNSUPPORTED_TRANSFER_SYNTAX: (
            "is compressed in a way that this node cannot decode",
            "are compressed in a way that this node cannot decode",
        ),
        Reason.PIXELS_MISSING: ("holds no pixel data", "hold no pixel data"),
        Reason.PIXELS_TRUNCATED: ("arrived with too little pixel data", "arrived with too little pixel data"),
        Reason.PIXELS_UNDECODABLE: ("has pixel data that cannot be decoded", "have pixel data that cannot be decoded"),
        Reason.PIXELS_OVER_LIMIT: ("is larger than this node decodes", "are larger than this node decodes"),
        Reason.NO_BREAST_FOUND: ("shows no breast", "show no breast"),
        Reason.ANALYSIS_FAILED: ("could not be analysed, as the analysis failed",) * 2,
        Reason.ANALYSIS_DIED: ("could not be analysed, as the analysis process died each time",) * 2,
        Reason.SUPERSEDED: ("was replaced by a later image", "were replaced by later images"),
        Reason.REJECTED: ("was rejected by the site", "were rejected by the site"),
    }
)

# So many reasons a headline names; the report lists all.
MOST_NAMED = 3

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def because(reasons: Iterable[Reason], *, whole: bool) -> str:
    """Say why images were left out, the most frequent reason first.

    Parameters
    ----------
    reasons
        Of each image that was left out, at least one.
    whole
        True if no image of the exam was used, so that one reason for all may be said of "all four images".

    Returns
    -------
    str
        A clause: `all four images are raw (FOR PROCESSING)`, or `three images are magnification views and one is ...`.
    """
    counted = Counter(reasons)
    # Python keeps the order of `Reason` for equal numbers, so the order of arrival does not matter.
    order = list(Reason)
    ranked = sorted(counted.items(), key=lambda pair: (-pair[1], order.index(pair[0])))
    noun = "object" if Reason.NOT_AN_IMAGE in counted else "image"
    if len(ranked) == 1:
        return _for_all(*ranked[0], noun=noun, whole=whole)
    clauses = [
        _clause(reason, count, noun="" if at else noun) for at, (reason, count) in enumerate(ranked[:MOST_NAMED])
    ]
    others = sum(count for _, count in ranked[MOST_NAMED:])
    if others:
        clauses.append(f"{in_words(others)} {'has' if others == 1 else 'have'} other reasons")
    return f"{', '.join(clauses[:-1])} and {clauses[-1]}"


def in_words(number: int) -> str:
    """Write a small number as a word, a larger one in digits."""
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def _for_all(reason: Reason, count: int, *, noun: str, whole: bool) -> str:
    if not whole:
        return _clause(reason, count, noun=noun)
    one, many = PREDICATES[reason]
    if count == 1:
        return f"the only {noun} {one}"
    return f"{'both' if count == 2 else f'all {in_words(count)}'} {noun}s {many}"


def _clause(reason: Reason, count: int, *, noun: str) -> str:
    one, many = PREDICATES[reason]
    words = [in_words(count), *([noun if count == 1 else f"{noun}s"] if noun else []), one if count == 1 else many]
    return " ".join(words)
