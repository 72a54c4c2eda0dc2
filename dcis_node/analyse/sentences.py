"""Sentences about the course of the exam: why it was complete, what is used instead of what. ASCII."""

from collections.abc import Mapping
from typing import Any

from dcis_node.analyse.completeness import CompletenessName

COMPLETENESS = {
    CompletenessName.FOUR_STANDARD_VIEWS: "All four standard views were received.",
    CompletenessName.ONE_SIDED_PAIR: "Both standard views of one breast were received, and none of the other.",
    CompletenessName.QUIET: "No further image came within the waiting time.",
    CompletenessName.DEADLINE: "Images were still coming when the longest waiting time was over.",
}
_MIDNIGHT = "000000"


def completeness_sentence(name: str) -> str:
    """Say why the exam was decided when it was; "" for a name that is not known."""
    return COMPLETENESS[CompletenessName(name)] if name in set(CompletenessName) else ""


def superseded_sentence(image: Mapping[str, Any], instead: Mapping[str, Any]) -> str:
    """Say which image is used instead of a repeat, and by which time (`judged.without_superseded` has the rule).

    Parameters
    ----------
    image, instead
        The one left out and the one used, as `judged.image_to_json` gives them.
    """
    name = name_of(image)
    if image["acquired"] != instead["acquired"]:
        used, left = moments(instead["acquired"], image["acquired"])
        this = f"this one, taken {left}" if left else "this one, whose header does not say when it was taken"
        return f"The {name} taken {used} is used instead of {this}."
    if image["created"] != instead["created"]:
        used, left = moments(instead["created"], image["created"])
        this = f"this one, made {left}" if left else "this one, whose header does not say when it was made"
        return f"The same exposure of {name} was processed again; the image made {used} is used instead of {this}."
    return f"Another {name} of the same time, received later, is used instead."


def name_of(view: Mapping[str, Any]) -> str:
    """Name an image as radiologists do: `R CC`; `image` where neither side nor view is known."""
    return " ".join(part for part in (view["laterality"], view["view"]) if part) or "image"


def moments(first: str, second: str) -> tuple[str, str]:
    """Put two moments (`YYYYMMDDHHMMSS` or "") in words that tell them apart: `at 10:42`, `on 2026-11-23 at 10:42:05`.

    The date stands where they differ in it, seconds where only those differ. A moment that is not known gives "", one
    of which only the date is known that date.
    """
    same_day = first[:8] == second[:8] or not (first and second)
    same_minute = first[:12] == second[:12]
    return _moment(first, same_day, same_minute), _moment(second, same_day, same_minute)


def _moment(moment: str, same_day: bool, same_minute: bool) -> str:  # noqa: FBT001 -- of `moments` only
    if not moment:
        return ""
    day = f"on {moment[:4]}-{moment[4:6]}-{moment[6:8]}"
    if moment[8:] == _MIDNIGHT:
        return day
    clock = f"at {moment[8:10]}:{moment[10:12]}" + (f":{moment[12:]}" if same_minute else "")
    return clock if same_day else f"{day} {clock}"
