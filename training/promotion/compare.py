"""Compare two bundles of the registry on its locked test set, and keep the comparison beside the candidate."""

import json
from datetime import UTC, datetime

from dcis_node.errors import TrainingError
from storage.registry import Registry, Terms
from training.evaluation import Evaluation
from training.promotion.comparison import Json, Origin, compare
from training.promotion.gates import gates_sha256, parse_gates
from training.promotion.lookup import speaking_bundle
from training.promotion.publish import evaluations_of

# In the name of a comparison with bounds instead of a champion.
ABSOLUTE = "absolute"


def comparison_name(champion: str | None) -> str:
    """Give the name under which a comparison is kept beside its candidate."""
    return f"comparison-{ABSOLUTE if champion is None else champion[:12]}.json"


def compare_bundles(registry: Registry, candidate: str, champion: str | None, *, now: float) -> Json:
    """Compare, and write what was found; the first comparison fixes the registry's test set and gates.

    Parameters
    ----------
    candidate, champion
        SHA-256 of published bundles; no champion: the candidate is laid out for the absolute gates.
    now
        Unix seconds.

    Raises
    ------
    TrainingError
        A bundle has no evaluation on the locked test set, the two have none in common, or the gates do not allow a
        comparison without a champion.
    StorageError
        The registry cannot be written, or something in it was edited.
    """
    if candidate == champion:
        msg = "candidate and champion are the same bundle"
        raise TrainingError(msg)
    text = registry.gates()
    gates = parse_gates(text)
    if champion is None and not (gates.absolute.allowed and registry.active() is None):
        msg = "bounds instead of a champion are for a registry without an active bundle whose gates allow it"
        raise TrainingError(msg)
    mine, theirs = _evaluations(registry, candidate, champion)
    terms = Terms(mine.test_sha256, gates_sha256(text))
    found = compare(mine, theirs, Origin(terms.gates_sha256, datetime.fromtimestamp(now, tz=UTC)))
    registry.fix_terms(terms, now=now)
    data = (json.dumps(found, indent=1, allow_nan=False) + "\n").encode("ascii")
    registry.note(candidate, comparison_name(champion), data, event="compared", now=now)
    return found


def default_champion(registry: Registry) -> str:
    """Give the bundle that a candidate has to beat.

    Raises
    ------
    TrainingError
        It is the shipped one, and that was not published yet.
    """
    champion = speaking_bundle(registry)
    if champion not in {bundle.sha256 for bundle in registry.listed()}:
        msg = (
            "no bundle is active, so the shipped one is the champion: evaluate it on your test set (dcis-train "
            "evaluate --champion) and publish it with that (dcis-train publish demo --evaluation ...)"
        )
        raise TrainingError(msg)
    return champion


def _evaluations(registry: Registry, candidate: str, champion: str | None) -> tuple[Evaluation, Evaluation | None]:
    """Choose the newest evaluation of each on the locked test set, or before there is one, on one they share."""
    terms = registry.terms()
    mine = {evaluation.test_sha256: evaluation for evaluation in evaluations_of(registry, candidate)}
    theirs = None if champion is None else {e.test_sha256: e for e in evaluations_of(registry, champion)}
    shared = [test for test in mine if theirs is None or test in theirs]
    if terms is not None:
        for sha256, known in ((candidate, mine), (champion, theirs)):
            if known is not None and terms.test_sha256 not in known:
                msg = (
                    f"bundle {str(sha256)[:12]} has no evaluation on the registry's locked test set "
                    f"{terms.test_sha256[:12]}; another test set needs a new registry"
                )
                raise TrainingError(msg)
        shared = [terms.test_sha256]
    if not shared:
        msg = "the two bundles have no evaluation on one test set: evaluate both on the same and publish that"
        raise TrainingError(msg)
    return mine[shared[-1]], None if theirs is None else theirs[shared[-1]]
