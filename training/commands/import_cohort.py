"""`dcis-train import`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from training.cohort import Cohort
from training.commands.console import RESEARCH_USE, console, refusals


class Dataset(StrEnum):
    """Whose data it is."""

    HOSPITAL = "hospital"
    OMIDB = "omidb"
    CBIS_DDSM = "cbis-ddsm"
    INBREAST = "inbreast"


def import_cohort(
    images: Annotated[Path, typer.Option(help="Folder of DICOM images, searched with all below it.")],
    out: Annotated[Path, typer.Option(help="Folder for the cohort; new or empty.")],
    annotations: Annotated[
        Path | None,
        typer.Option(
            help="Folder of annotations: .seg.nrrd, .nrrd, NIfTI, DICOM SEG, SR, GSPS, PNG; INbreast: AllXML."
        ),
    ] = None,
    clinical: Annotated[
        Path | None,
        typer.Option(help="Clinical table (CSV). Public sets: the CSV, or the folder of CSVs, that comes with them."),
    ] = None,
    omidb: Annotated[Path | None, typer.Option(help="Folder of OMI-DB's JSON files; means --dataset omidb.")] = None,
    dataset: Annotated[Dataset, typer.Option(help="Whose data it is.")] = Dataset.HOSPITAL,
    assume_healthy: Annotated[  # noqa: FBT002 -- typer's options are parameters with defaults
        bool,
        typer.Option(
            "--assume-healthy/--no-assume-healthy",
            help="Take the breast that is neither affected nor annotated as one without a lesion.",
        ),
    ] = True,
    ignore_column: Annotated[
        list[str] | None, typer.Option(help="Column of the clinical table to pass over; may be given again.")
    ] = None,
    keep_key_file: Annotated[
        Path | None,
        typer.Option(help="Write hospital numbers beside the patients' keys here, outside the cohort. Keep it safe."),
    ] = None,
) -> None:
    """Make a cohort from DICOM files, annotations and a clinical table.

    Writes cohort.json, masks, table1.csv, exclusions.csv and flow.csv, and shows what was left out and why. Nothing in
    the cohort names a patient; the files stay where they are. RESEARCH USE ONLY.
    """
    # What reads annotations and pixels takes a second to import: not for `--help`.
    from training.importing.cbis_ddsm import import_cbis_ddsm  # noqa: PLC0415
    from training.importing.hospital import HospitalFolders, import_hospital  # noqa: PLC0415
    from training.importing.inbreast import import_inbreast  # noqa: PLC0415
    from training.importing.needed import needed  # noqa: PLC0415
    from training.importing.omidb import import_omidb  # noqa: PLC0415

    where = console()
    chosen = Dataset.OMIDB if omidb is not None else dataset
    with refusals(where), _bars(where) as progress:
        if chosen is Dataset.OMIDB:
            cohort = import_omidb(
                images,
                needed(omidb, "--omidb"),
                out,
                progress=progress,
                assume_healthy=assume_healthy,
                key_file=keep_key_file,
            )
        elif chosen is Dataset.CBIS_DDSM:
            cohort = import_cbis_ddsm(images, needed(clinical, "--clinical"), out, progress=progress)
        elif chosen is Dataset.INBREAST:
            cohort = import_inbreast(
                images, needed(annotations, "--annotations"), needed(clinical, "--clinical"), out, progress=progress
            )
        else:
            folders = HospitalFolders(
                images,
                needed(annotations, "--annotations"),
                needed(clinical, "--clinical"),
                ignore_columns=tuple(ignore_column or ()),
                assume_healthy=assume_healthy,
            )
            cohort = import_hospital(folders, out, progress=progress, key_file=keep_key_file)
    _show(where, cohort)


@contextmanager
def _bars(where: Console) -> Iterator[Callable[[str, int, int], None]]:
    bars = Progress(
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=where
    )
    known: dict[str, TaskID] = {}

    def tell(name: str, done: int, total: int) -> None:
        if name not in known:
            known[name] = bars.add_task(name, total=total)
        bars.update(known[name], completed=done, total=total)

    with bars:
        yield tell


def _show(where: Console, cohort: Cohort) -> None:
    # As above.
    from training.importing.table1 import table1  # noqa: PLC0415

    _table(where, "Flow", ("", "patients", "images"), [(s.name, str(s.patients), str(s.images)) for s in cohort.flow])
    lines = table1(cohort)
    heads = ["" if n and lines[n - 1].group == line.group else line.group for n, line in enumerate(lines)]
    rows = [(head, line.name, line.value, line.paper) for head, line in zip(heads, lines, strict=True)]
    _table(where, "Table 1", ("", "", "this cohort", "paper"), rows)
    note = cohort.source.get("paths_with_patient_id", 0)
    if note:
        where.print(
            f"[yellow]{note} file paths hold a Patient ID; cohort.json then holds it too. Rename them.[/yellow]"
        )
    if cohort.source.get("assume_healthy"):
        where.print("Breasts neither affected nor annotated are taken as healthy: an assumption, kept in the cohort.")
    typer.echo(f"cohort {cohort.sha256}{' (SYNTHETIC)' if cohort.synthetic else ''}")
    where.print(RESEARCH_USE)


def _table(where: Console, title: str, header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    where.print(table)
