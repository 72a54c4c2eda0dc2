"""The clinical table: one row per patient, or per patient and side.

Columns (any order; capitals, spaces and hyphens do not matter):

| column | what | values |
|---|---|---|
| patient_id | as Patient ID (0010,0020) in the images | required |
| grade_surgery | DCIS grade of the surgical specimen: the truth | I II III, 1 2 3, low intermediate high; required |
| invasive | invasive cancer in the specimen (upstaged) | yes, no; required |
| laterality | the side this row speaks of | R, L; empty: the side that is annotated |
| grade_biopsy | DCIS grade of the biopsy, kept beside | as grade_surgery |
| lcis | lobular carcinoma in situ reported | yes, no |
| invasive_at_biopsy | invasive cancer at biopsy | yes, no, suspicion, evidence |
| mass_or_distortion | visible mass or architectural distortion | yes, no |
| poor_quality | mammogram of insufficient quality | yes, no |
| age | years at diagnosis | |
| size_mm | lesion size | decimal point or comma |
| density | BI-RADS density | a b c d, 1 2 3 4 |
| detection | how it was found | screening, symptomatic, other |
| image_folder | folder of the patient's images, below the images folder; where Patient ID was removed | |

The separator is a comma, semicolon or tab. An empty cell, NA and the like mean unknown.
"""

import csv
import difflib
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dcis_node.errors import TrainingError
from training.importing import cells
from training.importing.cells import Reader

COLUMNS: MappingProxyType[str, Reader] = MappingProxyType(
    {
        "patient_id": cells.words,
        "laterality": cells.side,
        "grade_surgery": cells.grade,
        "invasive": cells.answer,
        "grade_biopsy": cells.grade,
        "lcis": cells.answer,
        "invasive_at_biopsy": cells.finding,
        "mass_or_distortion": cells.answer,
        "poor_quality": cells.answer,
        "age": cells.age,
        "size_mm": cells.size_mm,
        "density": cells.density,
        "detection": cells.detection,
        "image_folder": cells.words,
    }
)
REQUIRED = ("patient_id", "grade_surgery", "invasive")
# So many wrong cells are named at once; a table with more has another fault.
MOST_NAMED = 10


@dataclass(frozen=True)
class ClinicalRow:
    """What the table says of one patient, or of one side of her.

    Parameters
    ----------
    row
        Row of the table as a spreadsheet counts it: the header is row 1.
    patient_id
        The hospital's number: never written anywhere but into a key file that was asked for.
    laterality
        R, L or "" where the table does not tell.

    The rest are the columns of the module's table; None or "" where unknown.
    """

    row: int
    patient_id: str
    laterality: str = ""
    grade_surgery: int | None = None
    invasive: bool | None = None
    grade_biopsy: int | None = None
    lcis: bool | None = None
    invasive_at_biopsy: bool | None = None
    mass_or_distortion: bool | None = None
    poor_quality: bool | None = None
    age: int | None = None
    size_mm: float | None = None
    density: str = ""
    detection: str = ""
    image_folder: str = ""


@dataclass(frozen=True)
class ClinicalTable:
    """A table that was read.

    Parameters
    ----------
    rows
        One per patient and side; equal rows count once.
    columns
        The columns it has, of `COLUMNS`: what it does not have was not judged.
    ignored
        Columns that were passed over on request.
    """

    rows: tuple[ClinicalRow, ...]
    columns: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def read_clinical(path: Path, *, ignore: Sequence[str] = ()) -> ClinicalTable:
    """Read a clinical table.

    Parameters
    ----------
    ignore
        Names of columns to pass over.

    Raises
    ------
    TrainingError
        If it cannot be read; a column is unknown (named, with the nearest known one), missing or there twice; a cell
        holds something else than allowed; or rows of one patient and side disagree. Rows are named by number.
    """
    header, rows = _records(path)
    passed = {_name(name) for name in ignore}
    names = [_name(name) for name in header]
    _check_columns(header, names, passed=passed, file=path.name)
    read = _read_rows(rows, names, passed=passed, file=path.name)
    return ClinicalTable(
        _agreeing(read, file=path.name),
        tuple(name for name in names if name in COLUMNS and name not in passed),
        tuple(name for name in names if name in passed),
    )


def read_text(path: Path) -> str:
    """Read a table's text: UTF-8 with or without a mark, UTF-16 with one, else the code page of Western Excel.

    Raises
    ------
    TrainingError
        If it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path.name}: cannot be read ({error.strerror})"
        raise TrainingError(msg) from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def separator(first_line: str) -> str:
    """Tell the separator: the one of semicolon, tab and comma that the header line holds most of."""
    return max((";", "\t", ","), key=first_line.count)


def _records(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    text = read_text(path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text.partition("\n")[0]))
    try:
        records = [(number, record) for number, record in enumerate(lines, start=1)]
    except csv.Error:
        msg = f"{path.name}: not a table of cells with one separator"
        raise TrainingError(msg) from None
    if not records:
        msg = f"{path.name}: the table is empty"
        raise TrainingError(msg)
    return records[0][1], [(n, record) for n, record in records[1:] if any(cell.strip() for cell in record)]


def _name(column: str) -> str:
    return "_".join(column.strip().lower().replace("-", " ").replace("_", " ").split())


def _check_columns(header: Sequence[str], names: Sequence[str], *, passed: set[str], file: str) -> None:
    if not set(names) & set(COLUMNS):  # the first row may be a patient's: nothing of it is told
        msg = f"{file}: no known column in row 1; is the header missing? Known: {', '.join(COLUMNS)}"
        raise TrainingError(msg)
    for shown, name in zip(header, names, strict=True):
        if name not in COLUMNS and name not in passed:
            nearest = difflib.get_close_matches(name, list(COLUMNS), n=1, cutoff=0.5)
            hint = f"; the nearest known column is '{nearest[0]}'" if nearest else ""
            msg = (
                f"{file}: unknown column '{shown.strip()[:40]}'{hint}. Rename it, or pass it over with "
                f"--ignore-column. Known: {', '.join(COLUMNS)}"
            )
            raise TrainingError(msg)
        if name in COLUMNS and names.count(name) > 1:
            msg = f"{file}: column '{name}' is there twice"
            raise TrainingError(msg)
    missing = [name for name in REQUIRED if name not in names or name in passed]
    if missing:
        msg = f"{file}: column '{missing[0]}' is missing; required are {', '.join(REQUIRED)}"
        raise TrainingError(msg)


def _read_rows(
    rows: Sequence[tuple[int, list[str]]], names: Sequence[str], *, passed: set[str], file: str
) -> list[ClinicalRow]:
    read, wrong = [], []
    for number, record in rows:
        if len(record) != len(names):
            wrong.append(f"row {number} has {len(record)} cells, the header has {len(names)}")
            continue
        values: dict[str, Any] = {}
        for name, cell in zip(names, record, strict=True):
            if name in passed:
                continue
            try:
                values[name] = COLUMNS[name](cell)
            except ValueError as error:  # our own words: what is allowed, never what stands there
                wrong.append(f"row {number}, column '{name}': allowed is {error}")
        if values.get("patient_id") == "":
            wrong.append(f"row {number}, column 'patient_id': empty")
        elif "patient_id" in values:
            read.append(ClinicalRow(row=number, **values))
    if wrong:
        more = f" (and {len(wrong) - MOST_NAMED} more)" if len(wrong) > MOST_NAMED else ""
        msg = f"{file}: {'; '.join(wrong[:MOST_NAMED])}{more}"
        raise TrainingError(msg)
    return read


def _agreeing(rows: Sequence[ClinicalRow], *, file: str) -> tuple[ClinicalRow, ...]:
    """Give one row per patient and side; refuse rows that say different things of the same side.

    A row without a side speaks of the same side as any other row of the patient.
    """
    kept: dict[str, list[ClinicalRow]] = {}
    for row in rows:
        others = kept.setdefault(row.patient_id, [])
        same = [o for o in others if row.laterality == o.laterality or not (row.laterality and o.laterality)]
        for other in same:
            _refuse_disagreement(other, row, file=file)
        if not same:
            others.append(row)
    return tuple(row for others in kept.values() for row in others)


def _refuse_disagreement(first: ClinicalRow, second: ClinicalRow, *, file: str) -> None:
    where = f"{file}: rows {first.row} and {second.row} speak of the same patient and side"
    if first.grade_surgery != second.grade_surgery:
        msg = f"{where} and give two grades at surgery. One surgery's grade is the truth: remove the other row"
        raise TrainingError(msg)
    for field in fields(ClinicalRow):
        if field.name != "row" and getattr(first, field.name) != getattr(second, field.name):
            msg = f"{where} and disagree in column '{field.name}'"
            raise TrainingError(msg)
