"""From a case to its judged results: the real index, files, analysis, decision and builders, without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dcis_node.model.predict import Ensemble
from dcis_node.results.profiles import Destination, Profile
from tests.analyse.nodes import Node
from tests.forty.cases import Case
from tests.judge import judge_each

# Every profile, so that every kind of object is made of every exam.
DESTINATIONS = tuple(Destination(profile.value, profile) for profile in Profile)
# And the switch for some: its report is the same tree once more, and costs the judge of templates as much time.
OLDER_PACS = Destination("older", Profile.GENERIC, comprehensive=True)


@dataclass(frozen=True)
class Outcome:
    """What came of an exam.

    Parameters
    ----------
    risk
        What the last report says: `found`, `no_lesion` or `not_analysed`.
    versions
        Of its reports.
    failures
        What the index says went wrong.
    kinds
        Of the result objects of its last report.
    findings
        Of the judges, over the objects of all reports.
    """

    risk: str
    versions: tuple[int, ...]
    failures: tuple[str, ...]
    kinds: frozenset[str]
    findings: tuple[str, ...]


def run_all(cases: Sequence[Case], folder: Path, ensemble: Ensemble) -> dict[str, Outcome]:
    """Receive, analyse and report all rounds of each case, then judge all objects at once.

    One call to the judges costs one start of Java.
    """
    nodes, files = {}, {}
    for number, case in enumerate(cases):
        place = folder / case.name.replace(" ", "_").replace(",", "")
        place.mkdir()
        nodes[case.name] = _run(case, place, ensemble, older=number % 7 == 0)
        files |= {f"{case.name}/{path.name}": path for path in _files_of(nodes[case.name], place)}
    findings = judge_each(files)
    outcomes = {name: _outcome(node, name, findings) for name, node in nodes.items()}
    for node in nodes.values():
        node.db.close()
    return outcomes


def _run(case: Case, folder: Path, ensemble: Ensemble, *, older: bool) -> Node:
    node = Node(folder, ensemble.bundle, predictor=ensemble)
    node.put(destinations=(*DESTINATIONS, OLDER_PACS) if older else DESTINATIONS)
    for datasets in case.rounds():
        node.report(*datasets)
    return node


def _files_of(node: Node, folder: Path) -> list[Path]:
    paths = []
    for number, result in enumerate(node.results):
        path = folder / f"{number:02d}_{result.kind}.dcm"
        path.write_bytes(node.files.read(result.sha256))
        paths.append(path)
    return paths


def _outcome(node: Node, name: str, findings: dict[str, list[str]]) -> Outcome:
    patient = node.reports[-1].decision["patient"] if node.reports else {"probability": None, "risk": "no report"}
    last = node.reports[-1].id if node.reports else 0
    return Outcome(
        risk="found" if patient["probability"] is not None else str(patient["risk"]),
        versions=tuple(report.version for report in node.reports),
        failures=tuple(exam.failure for exam in node.exams if exam.failure),
        kinds=frozenset(result.kind for result in node.results if result.report_id == last),
        findings=tuple(
            f"{key}: {line}" for key, lines in findings.items() if key.startswith(f"{name}/") for line in lines
        ),
    )
