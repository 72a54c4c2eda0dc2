"""What became of the images between two versions of an answer: one sentence for each sort of change. ASCII."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dcis_node.analyse.sentences import moments, name_of
from dcis_node.mammogram.facts import Reason
from dcis_node.results.reasons import PREDICATES

View = Mapping[str, Any]
Views = Sequence[View]
Pairs = Sequence[tuple[View, View]]

# All of it stands in one TEXT of the report, which viewers show badly beyond a thousand characters.
MOST_NAMES = 6
MOST_REPEATS = 3
# Reasons that another try may end; the others stand in the header.
FAILURES = frozenset(
    {Reason.ANALYSIS_FAILED, Reason.ANALYSIS_DIED, Reason.NO_BREAST_FOUND}
    | {reason for reason in Reason if reason.value.startswith(("pixels_", "unsupported_"))}
)


def image_sentences(before: Views, after: Views, *, same_model: bool) -> list[str]:
    """Say which images came, were replaced or left out, and which are judged otherwise.

    Parameters
    ----------
    before, after
        Images of both versions, as `judged.image_to_json` gives them.
    same_model
        True if other figures of an image want a reason of their own.
    """
    known, now = ({view["sop_instance_uid"]: view for view in views} for views in (before, after))
    came = [view for uid, view in now.items() if uid not in known]
    stayed = [(known[uid], view) for uid, view in now.items() if uid in known]
    said = [
        *_counted(came, stayed, now),
        *_not_counted(came, now),
        *_working(stayed),
        *_lost([new for old, new in stayed if old["eligible"] and not new["eligible"] and not new["replaced_by"]]),
        *_marked(stayed),
        _said(_judged_again(stayed) if same_model else [], "was analysed again", "were analysed again"),
        _said([view for uid, view in known.items() if uid not in now], "is here no more", "are here no more"),
    ]
    return [sentence for sentence in said if sentence]


def _counted(came: Views, stayed: Pairs, now: Mapping[str, View]) -> Iterator[str]:
    """Say which images came and count; of a repeat, what it replaces."""
    replaced = {new["replaced_by"]: new for old, new in stayed if old["eligible"] and new["replaced_by"]}
    added = [view for view in came if view["eligible"] and view["sop_instance_uid"] not in replaced]
    yield _said(added, "came later and was added", "came later and were added")
    yield from _few([_replacing(now[uid], left) for uid, left in replaced.items()])


def _replacing(view: View, left: View) -> str:
    name = name_of(view)
    if view["acquired"] != left["acquired"]:
        later, earlier = moments(view["acquired"], left["acquired"])
        of_then = f"the one taken {earlier}" if earlier else "one that does not say when it was taken"
        return f"{name} was taken again {later}; the later image replaces {of_then}."
    if view["created"] != left["created"]:
        later, earlier = moments(view["created"], left["created"])
        of_then = f"the one made {earlier}" if earlier else "one that does not say when it was made"
        return f"The exposure of {name} was processed again {later}; the newer image replaces {of_then}."
    return f"Another image of {name}, of the same time, came later and replaces the first."


def _not_counted(came: Views, now: Mapping[str, View]) -> Iterator[str]:
    """Say which images came and do not count, and why."""
    yield from _few([_left(view, now[view["replaced_by"]]) for view in came if view["replaced_by"]])
    others = [view for view in came if not view["eligible"] and not view["replaced_by"]]
    for group, why in _by_reason(others):
        yield _said(group, f"came later and is not used: it {why}", f"came later and are not used: they {why}")


def _left(view: View, instead: View) -> str:
    name = name_of(view)
    if view["acquired"] != instead["acquired"]:
        later, earlier = moments(instead["acquired"], view["acquired"])
        taken = f"taken {earlier}," if earlier else "which does not say when it was taken,"
        return f"Another {name}, {taken} arrived and is not used: the one taken {later} is the later image."
    if view["created"] != instead["created"]:
        later, earlier = moments(instead["created"], view["created"])
        made = f"made {earlier}," if earlier else "which does not say when it was made,"
        return f"Another image of one exposure of {name}, {made} arrived and is not used: {later} a newer was made."
    return f"Another image of {name}, of the same time, arrived and is not used: one more came behind it."


def _working(stayed: Pairs) -> Iterator[str]:
    """Say which images count now that did not."""
    regained = [(old, new) for old, new in stayed if not old["eligible"] and new["eligible"]]
    failed = [new for old, new in regained if old["reason"] in FAILURES]
    again = [new for old, new in regained if old["reason"] == Reason.SUPERSEDED]
    others = [new for _, new in regained if new not in failed and new not in again]
    if failed:
        plural = len(failed) > 1
        yield f"The {'analyses' if plural else 'analysis'} of {_names(failed)} failed before and worked now."
    yield _said(again, "is used again, as the later image is not", "are used again, as the later images are not")
    yield _said(others, "was not used before and is now", "were not used before and are now")


def _lost(lost: Views) -> Iterator[str]:
    for group, why in _by_reason(lost):
        yield _said(group, f"was used before and is not now: it {why}", f"were used before and are not now: they {why}")


def _marked(stayed: Pairs) -> Iterator[str]:
    """Say of which images another mark centres the analysis than before."""
    both = [(old, new) for old, new in stayed if old["eligible"] and new["eligible"]]
    marked = [new for old, new in both if new["lesion"] == "given" != old["lesion"]]
    if len(marked) == 1:
        yield f"A mark for {_names(marked)} came later and its analysis was centred on it."
    elif marked:
        yield f"Marks for {_names(marked)} came later and the analyses were centred on them."
    other = [new for old, new in both if old.get("mark") and new["mark"] and old["mark"] != new["mark"]]
    if other:
        yield f"The analysis of {_names(other)} is centred on another mark now."
    unmarked = [new for old, new in both if old["lesion"] == "given" != new["lesion"]]
    if unmarked:
        yield f"The analysis of {_names(unmarked)} is no longer centred on a mark."


def _judged_again(stayed: Pairs) -> Views:
    """Find the images whose figure is another one though nothing that is said elsewhere changed."""
    return [
        new
        for old, new in stayed
        if old["eligible"] and new["eligible"]
        if (old["lesion"] == "given") == (new["lesion"] == "given")
        if not (old.get("mark") and new["mark"] and old["mark"] != new["mark"])
        if (old["probability"], old["lesion"]) != (new["probability"], new["lesion"])
    ]


def _by_reason(views: Views) -> Iterator[tuple[Views, str]]:
    """Group images by the reason they are left out for, with that reason said of one or of several."""
    for reason in Reason:
        group = [view for view in views if view["reason"] == reason]
        if group:
            one, many = PREDICATES.get(reason, (f"is left out as {reason}", f"are left out as {reason}"))
            yield group, one if len(group) == 1 else many


def _said(views: Views, one: str, many: str) -> str:
    """Say something of one image or of several; "" of none."""
    return f"{_names(views)} {one if len(views) == 1 else many}." if views else ""


def _names(views: Views) -> str:
    """Name images in the order of their names: `L CC, L MLO and R CC (2)`."""
    counts = Counter(name_of(view) for view in views)
    if len(counts) > MOST_NAMES:
        return f"{len(views)} images"
    names = [name if count == 1 else f"{name} ({count})" for name, count in sorted(counts.items())]
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), names[-1]])


def _few(sentences: Sequence[str]) -> Iterator[str]:
    """Give the first sentences, whatever the order of arrival, and say how many more there are."""
    yield from sorted(sentences)[:MOST_REPEATS]
    more = len(sentences) - MOST_REPEATS
    if more > 0:
        yield f"{more} more image{' was' if more == 1 else 's were'} taken or processed again."
