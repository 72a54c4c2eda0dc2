"""Sentences of a report about the course of the exam: why it was complete, what changed. ASCII, no patient data."""

from collections.abc import Sequence
from typing import Any

from dcis_node.analyse.completeness import CompletenessName

COMPLETENESS = {
    CompletenessName.FOUR_STANDARD_VIEWS: "All four standard views were received.",
    CompletenessName.ONE_SIDED_PAIR: "Both standard views of one breast were received, and none of the other.",
    CompletenessName.QUIET: "No further image came within the waiting time.",
    CompletenessName.DEADLINE: "Images were still coming when the longest waiting time was over.",
}


def completeness_sentence(name: str) -> str:
    """Say why the exam was decided when it was; "" for a name that is not known."""
    return COMPLETENESS[CompletenessName(name)] if name in set(CompletenessName) else ""


def change_sentence(
    before: Sequence[dict[str, Any]],
    after: Sequence[dict[str, Any]],
    *,
    probability_before: float | None,
    probability_after: float | None,
    same_model: bool,
) -> str:
    """Say what changed since the previous report, after the report itself has said that it replaces it.

    Parameters
    ----------
    before, after
        Images of both reports, as `judged.image_to_json` gives them.
    probability_before, probability_after
        Of the patient, in [0, 1].
    """
    known = {view["sop_instance_uid"]: view for view in before}
    added = [view for view in after if view["sop_instance_uid"] not in known]
    changed = [
        view for view in after if view["sop_instance_uid"] in known and _differs(known[view["sop_instance_uid"]], view)
    ]
    parts = [_listed("new", added), _listed("judged otherwise", changed), "" if same_model else "another model"]
    if probability_before != probability_after:
        figures = f"{_figure(probability_before)} before, {_figure(probability_after)} now"
        parts.append(f"probability of the patient {figures}")
    said = "; ".join(part for part in parts if part)
    return f"Changed since then: {said}." if said else "The analysis was repeated and says the same."


def _differs(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return any(before.get(key) != after.get(key) for key in ("reason", "lesion", "probability"))


def _listed(what: str, views: Sequence[dict[str, Any]]) -> str:
    if not views:
        return ""
    names = sorted(" ".join(part for part in (view["laterality"], view["view"]) if part) or "other" for view in views)
    return f"{len(views)} image{'s' if len(views) > 1 else ''} {what} ({', '.join(names)})"


def _figure(probability: float | None) -> str:
    return "none" if probability is None else f"{100 * probability:.1f} %"
