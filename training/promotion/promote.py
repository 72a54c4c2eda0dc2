"""The switch: only for a bundle that was compared with the one now active and passes every gate."""

from collections.abc import Callable
from dataclasses import dataclass

from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle, load_bundle
from storage.activation import Active
from storage.registry import Registry
from training.bundle_word import shipped_sha256
from training.promotion.compare import comparison_name
from training.promotion.comparison import Json, read_comparison
from training.promotion.gates import Gates, gates_sha256, parse_gates
from training.promotion.publish import SMOKE_NAME, evaluation_name, evaluations_of
from training.promotion.smoke import smoke_deviation
from training.promotion.verdict import Verdict, verdicts


@dataclass(frozen=True)
class Judgement:
    """Every gate's verdict on a candidate.

    Parameters
    ----------
    expected
        The bundle that must still be active at the switch; "" for the shipped one.
    """

    candidate: str
    comparison: str
    expected: str
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """True if every gate was passed."""
        return all(verdict.passed for verdict in self.verdicts)


def judge(registry: Registry, candidate: str, *, first: bool, smoke: Callable[[Bundle], Json]) -> Judgement:
    """Hold a candidate against every gate, with everything that speaks for it checked by its hash.

    Parameters
    ----------
    candidate
        SHA-256 of a published bundle.
    first
        That no bundle is active yet, as the caller believes.
    smoke
        Judges the smoke exam by a bundle.

    Raises
    ------
    TrainingError
        There is no comparison with the bundle that is active now, or it does not fit what lies in the registry.
    StorageError, BundleError
        Bundle, gates, evaluation or comparison were altered.
    """
    active = registry.active()
    _refuse_wrong_first(registry, first=first)
    expected = "" if active is None else active.sha256
    if candidate == expected:
        msg = "the bundle is the active one already"
        raise TrainingError(msg)
    bundle = load_bundle(registry.verify(candidate), expected_sha256=candidate)
    text = registry.gates()
    gates = parse_gates(text)
    comparison = _comparison(registry, candidate, expected, gates)
    _refuse_unfit(registry, comparison, gates_digest=gates_sha256(text), candidate=candidate)
    deviation = smoke_deviation(registry.read_note(candidate, SMOKE_NAME), smoke(bundle))
    found = verdicts(comparison, gates, smoke_deviation=deviation)
    return Judgement(candidate, comparison["sha256"], expected, found)


def promote(registry: Registry, judgement: Judgement, *, now: float) -> Active:
    """Make a judged candidate the active bundle.

    Raises
    ------
    TrainingError
        A gate was not passed. There is no way round it.
    StorageError
        Another bundle became active meanwhile, or the candidate was altered.
    """
    failed = [verdict.gate for verdict in judgement.verdicts if not verdict.passed]
    if failed:
        msg = f"not promoted: {len(failed)} of {len(judgement.verdicts)} gates not passed ({'; '.join(failed)})"
        raise TrainingError(msg)
    return registry.activate(judgement.candidate, comparison=judgement.comparison, expected=judgement.expected, now=now)


def _refuse_wrong_first(registry: Registry, *, first: bool) -> None:
    active = registry.active()
    if active is None and not first:
        msg = "no bundle is active yet: the first promotion is told by --first"
        raise TrainingError(msg)
    if active is not None and first:
        msg = f"--first is for a registry without an active bundle; active is {active.sha256[:12]}"
        raise TrainingError(msg)


def _comparison(registry: Registry, candidate: str, expected: str, gates: Gates) -> Json:
    """Read the comparison with the active bundle; for a first promotion also one for absolute bounds, if allowed."""
    champion = expected or shipped_sha256()
    names = [comparison_name(champion)]
    if not expected and gates.absolute.allowed:
        names.append(comparison_name(None))
    known = registry.notes_of(candidate)
    name = next((name for name in names if name in known), None)
    if name is None:
        msg = f"bundle {candidate[:12]} was not compared with the active bundle {champion[:12]}: dcis-train compare"
        raise TrainingError(msg)
    comparison = read_comparison(registry.read_note(candidate, name))
    told = comparison["champion"]
    if comparison["candidate"]["sha256"] != candidate or (told is not None and told["sha256"] != champion):
        msg = f"{name} is a comparison of other bundles"
        raise TrainingError(msg)
    return comparison


def _refuse_unfit(registry: Registry, comparison: Json, *, gates_digest: str, candidate: str) -> None:
    """Check that gates, test set and evaluations are those that the comparison was made with."""
    terms = registry.terms()
    if terms is None or comparison["test_sha256"] != terms.test_sha256:
        msg = "the comparison was made on another test set than the registry's"
        raise TrainingError(msg)
    if comparison["gates_sha256"] != gates_digest:
        msg = "the gates were edited since the comparison"
        raise TrainingError(msg)
    for side in ("candidate", "champion"):
        told = comparison[side]
        if told is None:
            continue
        sha256 = candidate if side == "candidate" else told["sha256"]
        known = {evaluation.sha256 for evaluation in evaluations_of(registry, sha256)}
        if told["evaluation_sha256"] not in known:
            msg = f"the {side}'s {evaluation_name(told['evaluation_sha256'])} is not the one that was compared"
            raise TrainingError(msg)
