"""The tables beside `cohort.json`: Table 1, the exclusions and the flow, as CSV."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from training.cohort import Cohort, Exclusion, FlowStep
from training.importing.table1 import Table1Row, table1

TABLE1_CSV, EXCLUSIONS_CSV, FLOW_CSV = "table1.csv", "exclusions.csv", "flow.csv"


def write_tables(cohort: Cohort) -> tuple[Table1Row, ...]:
    """Write `table1.csv`, `exclusions.csv` and `flow.csv` into the cohort's folder; gives Table 1."""
    rows = table1(cohort)
    for name, kind, values in (
        (TABLE1_CSV, Table1Row, rows),
        (EXCLUSIONS_CSV, Exclusion, cohort.exclusions),
        (FLOW_CSV, FlowStep, cohort.flow),
    ):
        _write(cohort.folder / name, [field.name for field in fields(kind)], (astuple(value) for value in values))
    return rows


def _write(path: Path, header: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)
