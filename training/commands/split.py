"""`dcis-train split`."""

from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer
from rich.table import Table

from training.commands.console import RESEARCH_USE, console, refusals

_ROMAN = MappingProxyType({"grade 1": "I", "grade 2": "II", "grade 3": "III"})


def split(
    cohort: Annotated[Path, typer.Option(help="Folder of cohort.json.")],
    out: Annotated[Path, typer.Option(help="The file to write, such as splits.json. Never overwritten.")],
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds draw equal splits.")] = 1,
    folds: Annotated[int, typer.Option(min=1, max=20, help="How many folds.")] = 5,
    kfold: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--kfold", help="Disjoint validation sets instead of repeated 80/20 draws.")
    ] = False,
    test_share: Annotated[
        float, typer.Option(help="Of the graded patients. 0: no test set; 1: all are test, a locked external test set.")
    ] = 0.2,
    validation_share: Annotated[float, typer.Option(help="Of the patients left, in each repeated fold.")] = 0.2,
    calibration_share: Annotated[
        float, typer.Option(help="Of the patients who are not test; held out from all folds to calibrate on.")
    ] = 0.0,
) -> None:
    """Draw the held-out test set and the folds, by patient, stratified by grade; once.

    RESEARCH USE ONLY. Refused: a patient, or equal pixels, on two sides; too few patients of a grade; an existing file.
    """
    # numpy and scikit-learn take a second to load: not for --help.
    from training.cohort import read_cohort  # noqa: PLC0415
    from training.splits import draw_splits, side_counts, write_splits  # noqa: PLC0415

    where = console()
    with refusals(where):
        read = read_cohort(cohort)
        drawn = draw_splits(
            read,
            seed=seed,
            folds=folds,
            test_share=test_share,
            validation_share=validation_share,
            calibration_share=calibration_share,
            kfold=kfold,
        )
        written = write_splits(out, drawn)
        where.print(_table(side_counts(read, written), synthetic=read.synthetic))
        where.print(RESEARCH_USE)
        typer.echo(f"splits {written.sha256} in {out}")


def _table(sides: dict[str, dict[str, int]], *, synthetic: bool) -> Table:
    table = Table(title="Patients of each side, by grade" + " (SYNTHETIC cohort)" * synthetic)
    table.add_column("side", no_wrap=True)
    names = next(iter(sides.values()))
    for name in names:
        table.add_column(_ROMAN.get(name, name), justify="right", no_wrap=True)
    for side, counts in sides.items():
        table.add_row(side, *(str(counts[name]) for name in names))
    return table
