"""How a comparison and the verdicts of its gates look on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from training.promotion.verdict import Verdict

FIGURES = {
    "auc": "AUC",
    "npv": "NPV at the threshold",
    "ppv": "PPV at the threshold",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "ECE",
}


def comparison_view(comparison: Mapping[str, Any]) -> RenderableType:
    """Draw a comparison."""
    candidate, champion = comparison["candidate"], comparison["champion"]
    head = Text(f"candidate {_bundle(candidate)}\nchampion  {_bundle(champion) if champion else 'none: bounds'}")
    head.append(f"\ntest set {comparison['test_sha256'][:12]}, comparison {comparison['sha256'][:12]}")
    if candidate["synthetic"]:
        head.append("\nSYNTHETIC: made from phantoms; none of these is a clinical figure", style="bold red")
    table = Table(header_style="bold", pad_edge=False)
    for column in ("figure", "candidate", "champion", "difference (95 % CI)", "DeLong"):
        table.add_column(column, overflow="fold")
    for side in ("given", "found"):
        if comparison[side] is None:
            table.add_row(f"lesion {side}", "not judged by both", "", "", "")
        else:
            _add_side(table, side, comparison[side])
    for name, row in (comparison["localisation"] or {}).items():
        table.add_row(name.replace("_", " "), *_numbers(row), _number(row["difference"]), "")
    for group in comparison["subgroups"]:
        name = f"AUC, {group['by']} {group['group']} ({group['patients']} patients)"
        table.add_row(name, *_numbers(group), _number(group["difference"]), "")
    return Group(head, table)


def gates_view(verdicts: Sequence[Verdict]) -> RenderableType:
    """Draw every gate with value, bound and verdict."""
    table = Table(title="Gates", title_justify="left", header_style="bold", pad_edge=False)
    for column in ("gate", "value", "bound", "verdict"):
        table.add_column(column, overflow="fold")
    for verdict in verdicts:
        said = Text("passed", style="green") if verdict.passed else Text("NOT PASSED", style="bold red")
        table.add_row(verdict.gate, verdict.value, verdict.bound, said)
    return table


def _add_side(table: Table, side: str, figures: Mapping[str, Any]) -> None:
    delong = figures["delong"]
    table.add_row(f"lesion {side}: {figures['patients']} patients, {figures['high_risk']} high risk", "", "", "", "")
    for name, words in FIGURES.items():
        row = figures[name]
        tested = f"p = {_number(delong['p_value'])}" if name == "auc" and delong else ""
        table.add_row(f"  {words}", *_numbers(row), _interval(row["difference"]), tested)


def _bundle(bundle: Mapping[str, Any]) -> str:
    return f"{bundle['name']} {bundle['version']} {bundle['sha256'][:12]}, threshold {bundle['threshold']:.4g}"


def _numbers(row: Mapping[str, Any]) -> tuple[str, str]:
    return _number(row["candidate"]), _number(row["champion"])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(difference: Mapping[str, Any] | None) -> str:
    if difference is None or difference["value"] is None:
        return "-"
    return f"{difference['value']:+.3f} ({_number(difference['low'])} to {_number(difference['high'])})"
