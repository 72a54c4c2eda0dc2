"""INbreast: full-field mammograms with outlines in property lists (`AllXML`) and a table of findings.

File names tell which is which: `ID_HASH_MG_SIDE_VIEW_ANON.dcm`, where HASH stands for the patient (the table's own
column was emptied) and `AllXML/ID.xml` has the outlines. Points may lie outside the image; one or two points are a
single calcification, more are a polygon. Only calcifications and clusters of them are used.
"""

import csv
import io
import plistlib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers.expat import ExpatError

import dcis_node
from dcis_node.errors import TrainingError
from training.annotations.annotation import Annotation, ImageFacts, annotation
from training.cohort import Cohort
from training.importing.boxes import outline_labels
from training.importing.candidates import Left
from training.importing.clinical import read_text, separator
from training.importing.outcome import refuse_existing
from training.importing.public import PublicImage, write_public
from training.importing.scan import Progress, ScannedImage, scan_images

KIND = "inbreast"
# Of the Siemens Novation's detector, as the data set's paper gives it.
SPACING_MM = 0.07
_FILE = re.compile(r"(\d+)_([0-9a-fA-F]+)_MG_([RL])_(CC|MLO|ML|FB)_")
_POINT = re.compile(r"\(?\s*(-?[0-9.]+(?:e[-+]?\d+)?)\s*,\s*(-?[0-9.]+(?:e[-+]?\d+)?)\s*\)?")
_CALCIFICATION, _CLUSTER = ("calcification", "calcifications"), ("cluster", "clusters")
_NORMAL = "1"

Outline = tuple[tuple[tuple[float, float], ...], bool]


def import_inbreast(images: Path, xml: Path, table: Path, out: Path, *, progress: Progress) -> Cohort:
    """Make a cohort of INbreast; it has no grades. Mammograms read as BI-RADS 1 become rows without a lesion.

    Parameters
    ----------
    images
        Folder of the DICOM files, under their published names.
    xml
        Folder `AllXML`.
    table
        `INbreast.csv`, or the folder it is in.

    Raises
    ------
    TrainingError
        If the table lacks a column, an XML file is no property list, or nothing is left.
    """
    refuse_existing(out)
    rows = _read_table(table / "INbreast.csv" if table.is_dir() else table)
    scan = scan_images(images, progress=progress)
    found, unused = [], []
    for image in scan.images:
        item = _mammogram(image, rows, xml)
        if item is None:
            unused.append(_not_named(image))
        else:
            found.append(item)
    return write_public(
        found,
        scan,
        out,
        spacing_mm=SPACING_MM,
        unused=unused,
        source={
            "dataset": "inbreast",
            "tool": f"dcis-train import {dcis_node.__version__}",
            "table_rows": len(rows),
            "mammograms_missing": len(rows) - len(found),
            "findings_used": ["calcification", "cluster"],
        },
        progress=progress,
    )


def _not_named(image: ScannedImage) -> Left:
    return image.file, "not_in_table", "the file's name or the table does not tell what it is"


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    text = read_text(path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text.partition("\n")[0]))
    names = ["".join(letter for letter in cell.lower() if letter.isalpha()) for cell in next(lines, [])]
    for name in ("filename", "laterality", "view"):
        if name not in names:
            msg = f"{path.name}: column '{name}' is missing"
            raise TrainingError(msg)
    rows = [dict(zip(names, (cell.strip() for cell in line), strict=False)) for line in lines]
    return {row["filename"]: row for row in rows if row.get("filename")}


def _mammogram(image: ScannedImage, rows: Mapping[str, Mapping[str, str]], xml: Path) -> PublicImage | None:
    match = _FILE.match(PurePosixPath(image.file).name)
    row = rows.get(match[1]) if match else None
    if match is None or row is None:
        return None
    path = xml / f"{match[1]}.xml"
    outlines, any_region = _read_outlines(path) if path.is_file() else ((), False)
    return PublicImage(
        image=image,
        patient=match[2].lower(),
        laterality=match[3],
        view=row["view"].upper() or match[4],
        density=row.get("acr", ""),
        annotate=partial(_annotation, outlines) if outlines else None,
        healthy=not any_region and row.get("birads", "") == _NORMAL,
    )


def _read_outlines(path: Path) -> tuple[tuple[Outline, ...], bool]:
    """Read the outlines of calcifications; tells too whether anything at all is outlined."""
    try:
        # Property lists: entities, and with them bombs, are refused by the library.
        content = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
        regions = [region for image in content["Images"] for region in image["ROIs"]]
        outlines = [outline for region in regions for outline in _outline(region)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ExpatError, plistlib.InvalidFileException):
        msg = f"{path.name}: not a property list of outlines"
        raise TrainingError(msg) from None
    return tuple(outlines), bool(regions)


def _outline(region: Mapping[str, Any]) -> tuple[Outline, ...]:
    name = str(region.get("Name", "")).strip().lower()
    if name not in (*_CALCIFICATION, *_CLUSTER):
        return ()
    points = tuple(_point(str(point)) for point in region["Point_px"])
    return ((points, name in _CALCIFICATION),) if points else ()


def _point(text: str) -> tuple[float, float]:
    match = _POINT.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a point")
    return float(match[1]), float(match[2])


def _annotation(outlines: Sequence[Outline], facts: ImageFacts) -> Annotation:
    return annotation(outline_labels(outlines, facts), facts, file="outlines", kind=KIND)
