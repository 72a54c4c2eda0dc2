"""The cohort's patients in the form of the paper's Table 1, beside the paper's own."""

from collections import Counter
from itertools import groupby

from training.cohort import Cohort
from training.importing.table1 import table1
from training.report.numbers import NONE
from training.report.paper import COLUMN
from training.report.tables import Group, Table, table


def cohort_table(cohort: Cohort) -> Table:
    """Give the patients' and lesions' characteristics, with the paper's in a column of their own."""
    rows = table1(cohort)
    groups = tuple(
        Group(name, tuple((row.name, row.value, row.paper or NONE) for row in lines))
        for name, lines in groupby(rows, key=lambda row: row.group)
    )
    ours = "this cohort (synthetic)" if cohort.synthetic else "this cohort"
    return Table("Patients and lesions of the whole cohort (the paper's Table 1).", ("", ours, COLUMN), groups)


def detector_table(cohort: Cohort) -> Table:
    """Count the images by vendor and model."""
    detectors = Counter((view.vendor or "unknown", view.model or "unknown") for view in cohort.views)
    rows = tuple((vendor, model, str(count)) for (vendor, model), count in sorted(detectors.items()))
    return table("Images by detector.", ("vendor", "model", "images"), rows)
