"""What changed between two versions of an exam's answer, in words for a radiologist. ASCII, no patient data."""

from collections.abc import Iterator, Mapping
from typing import Any

from dcis_node.analyse.changed_images import Views, image_sentences
from dcis_node.results.wording import percent

SAME = "The analysis was repeated and says the same."
SIDES = {"R": "right breast", "L": "left breast"}
WITHOUT_FIGURE = {"no_lesion": "no calcifications found", "not_analysed": "not analysed"}
PLACES = {"high": "at or above the threshold", "low": "below the threshold"}
NOT_ANALYSED: Mapping[str, Any] = {"probability": None, "risk": "not_analysed"}
HASH_HEAD = 12

Decided = Mapping[str, Any]


def change_sentence(
    before: Views,
    after: Views,
    *,
    decisions: tuple[Decided, Decided],
    bundles: tuple[str, str],
) -> tuple[str, str]:
    """Say what changed, after the report itself has said which version it replaces.

    First a change of the risk class, then what came or was replaced, then the model, then the other figures.

    Parameters
    ----------
    before, after
        Images of both versions, as `judged.image_to_json` gives them.
    decisions
        Before and after: `Decision.to_json`.
    bundles
        Before and after: SHA-256 of the model.

    Returns
    -------
    tuple of str
        All of it, and the sentence on the risk class that begins it; "" where none changed.
    """
    risk, figures = _figures(*decisions)
    causes = image_sentences(before, after, same_model=bundles[0] == bundles[1])
    causes += [*_model(*bundles), *_threshold(*decisions)]
    if not (risk or figures or causes):
        return SAME, ""
    unchanged = [] if risk or figures else ["The figures are the same."]
    return " ".join([*([risk] if risk else []), *causes, *figures, *unchanged]), risk


def _figures(before: Decided, after: Decided) -> tuple[str, list[str]]:
    """Give one sentence for all that changed its risk class ("" for none), and one for each other figure.

    Patient and breast stand together where they changed alike, as the patient's figure is that of one breast.
    """
    changed: dict[tuple[str, str, bool], list[str]] = {}
    for subject, old, new in _subjects(before, after):
        was, now = _state(old), _state(new)
        if was != now:
            changed.setdefault((was, now, _is_another_class(old, new)), []).append(subject)
    risk, figures = [], []
    for (was, now, is_class), subjects in changed.items():
        who, said = " and ".join(subjects), f"{was} before, {now} now"
        if is_class:
            risk.append(f"{who} {said}")
        else:
            figures.append(f"{who[0].upper()}{who[1:]}: {said}.")
    return f"The risk class changed: {'; '.join(risk)}." if risk else "", figures


def _is_another_class(old: Decided, new: Decided) -> bool:
    """Tell whether a risk class changed; a first figure of a breast is no change unless it is a high one."""
    risks = {old["risk"], new["risk"]}
    return len(risks) > 1 and ("not_analysed" not in risks or "high" in risks)


def _subjects(before: Decided, after: Decided) -> Iterator[tuple[str, Decided, Decided]]:
    yield "patient", before["patient"], after["patient"]
    for side, name in SIDES.items():
        yield name, before["breasts"].get(side, NOT_ANALYSED), after["breasts"].get(side, NOT_ANALYSED)


def _state(decided: Decided) -> str:
    if decided["probability"] is None:
        return WITHOUT_FIGURE.get(decided["risk"], "no figure")
    return f"{percent(decided['probability'])} ({PLACES.get(decided['risk'], decided['risk'])})"


def _model(before: str, after: str) -> Iterator[str]:
    if before != after:
        yield f"Another model was used: bundle SHA-256 {before[:HASH_HEAD]} before, {after[:HASH_HEAD]} now."


def _threshold(before: Decided, after: Decided) -> Iterator[str]:
    was, now = percent(before["threshold"]), percent(after["threshold"])
    if was != now:
        yield f"The threshold is another one: {was} before, {now} now."
