"""CBIS-DDSM: digitised films with outlined calcifications, joined by series to the tables of its cases.

Traps of the published files that are met here: paths end in a line break or stand in quotes; downloaded files have
other names than the tables say, so Series Instance UID joins them (third part of a path); in some cases mask and crop
are swapped, so the mask is what has the mammogram's size and two values; a mammogram with several abnormalities stands
in several rows, each with its own mask.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import dcis_node
from dcis_node.errors import PixelError, TrainingError
from dcis_node.mammogram.pixels import stored_pixels
from training.annotations.annotation import REGION, Annotation, ImageFacts, annotation
from training.cohort import Cohort
from training.images_dicom import read_dataset
from training.importing.candidates import Left
from training.importing.clinical import read_text, separator
from training.importing.outcome import refuse_existing
from training.importing.public import PublicImage, write_public
from training.importing.scan import Progress, Scan, ScannedImage, scan_images

KIND = "cbis_ddsm"
# The films were digitised at 0.042 to 0.050 mm, on scanners that the published files no longer name; headers say none.
SPACING_MM = 0.05
_TABLES = "calc_case_description_*_set.csv"
_COLUMNS = (
    "patient_id",
    "left_or_right_breast",
    "image_view",
    "image_file_path",
    "roi_mask_file_path",
    "cropped_image_file_path",
)
_SIDES = {"LEFT": "L", "RIGHT": "R"}


def import_cbis_ddsm(images: Path, tables: Path, out: Path, *, progress: Progress) -> Cohort:
    """Make a cohort of the calcification cases; it has no grades.

    Parameters
    ----------
    images
        Folder of DICOM files: mammograms, masks and crops, under any names.
    tables
        `calc_case_description_*_set.csv`, or the folder they are in. Tables of masses are not used.

    Raises
    ------
    TrainingError
        If a table lacks a column, or nothing is left.
    """
    refuse_existing(out)
    rows = _read_tables(tables)
    scan = scan_images(images, progress=progress)
    series = defaultdict(list)
    for image in scan.images:
        if image.header is not None:
            series[image.header.series_instance_uid].append(image)
    cases: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        cases[_series(row["image_file_path"])].append(row)
    found = [item for uid, case in cases.items() for item in _mammogram(case, series.get(uid, ()), series, scan.folder)]
    regions = {_series(row[name]) for row in rows for name in _COLUMNS[4:]}
    shown = _without_regions(scan, regions - set(cases))
    return write_public(
        found,
        shown,
        out,
        spacing_mm=SPACING_MM,
        unused=_unused(shown, found),
        source={
            "dataset": "cbis-ddsm",
            "tool": f"dcis-train import {dcis_node.__version__}",
            "table_rows": len(rows),
            "mammograms_missing": len(cases) - len({item.image.file for item in found}),
        },
        progress=progress,
    )


def _read_tables(tables: Path) -> list[dict[str, str]]:
    paths = sorted(tables.glob(_TABLES)) if tables.is_dir() else [tables]
    if not paths:
        msg = f"no {_TABLES} in the folder of tables"
        raise TrainingError(msg)
    return [row for path in paths for row in _read_table(path)]


def _read_table(path: Path) -> list[dict[str, str]]:
    text = read_text(path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text.partition("\n")[0]))
    names = ["_".join(cell.strip().lower().split()) for cell in next(lines, [])]
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        msg = f"{path.name}: column '{missing[0]}' is missing"
        raise TrainingError(msg)
    rows = [dict(zip(names, (cell.strip(" \"'\r\n\t") for cell in line), strict=False)) for line in lines if any(line)]
    for number, row in enumerate(rows, start=2):
        if any(not row.get(name) for name in _COLUMNS[:5]) or row["left_or_right_breast"].upper() not in _SIDES:
            msg = f"{path.name}: row {number} lacks patient, side, view or a path"
            raise TrainingError(msg)
        row.setdefault("cropped_image_file_path", "")
    return rows


def _series(path: str) -> str:
    """Give the Series Instance UID of a path `case/study/series/file`; "" if it is shorter."""
    parts = path.replace("\\", "/").strip("/").split("/")
    return parts[2] if len(parts) > 2 else ""


def _mammogram(
    case: Sequence[Mapping[str, str]],
    images: Sequence[ScannedImage],
    series: Mapping[str, Sequence[ScannedImage]],
    folder: Path,
) -> list[PublicImage]:
    """Give the mammogram of a case, if it was downloaded, with the masks of all its rows."""
    if not images:
        return []
    # A series of the published set holds one mammogram; where more lie there, the largest is it.
    full = max(images, key=lambda image: (image.facts.rows * image.facts.columns, image.file))
    files = [
        tuple(image for name in _COLUMNS[4:] for image in series.get(_series(row[name]), ()) if image is not full)
        for row in case
    ]
    return [
        PublicImage(
            image=full,
            patient=case[0]["patient_id"],
            laterality=_SIDES[case[0]["left_or_right_breast"].upper()],
            view=case[0]["image_view"].upper(),
            density=case[0].get("breast_density", ""),
            annotate=partial(_annotation, files, folder) if any(files) else None,
        )
    ]


def _annotation(rows: Sequence[Sequence[ScannedImage]], folder: Path, facts: ImageFacts) -> Annotation:
    labels = np.zeros(facts.shape, np.uint8)
    for files in rows:
        labels[_mask(files, folder, facts)] = REGION
    return annotation(labels, facts, file="ROI mask", kind=KIND)


def _mask(files: Sequence[ScannedImage], folder: Path, facts: ImageFacts) -> NDArray[np.bool_]:
    """Find the mask among mask and crop: of the mammogram's size, with two values."""
    for image in {image.file: image for image in files}.values():
        if (image.facts.rows, image.facts.columns) != facts.shape:
            continue
        ds, _ = read_dataset(folder / image.file, name=image.file)
        try:
            values = stored_pixels(ds)
        except PixelError:
            continue
        if len(np.unique(values)) <= 2:  # one value, all black, is refused as empty
            return np.asarray(values > 0)
    sizes = ", ".join(f"{image.facts.rows} x {image.facts.columns}" for image in files) or "none"
    msg = f"ROI mask: the mask is not there in the mammogram's size {facts.rows} x {facts.columns} (files: {sizes})"
    raise TrainingError(msg)


def _without_regions(scan: Scan, regions: set[str]) -> Scan:
    """Leave masks and crops out of what counts as images."""
    kept = tuple(i for i in scan.images if i.header is None or i.header.series_instance_uid not in regions)
    return Scan(scan.folder, kept, scan.others)


def _unused(scan: Scan, found: Sequence[PublicImage]) -> list[Left]:
    used = {item.image.file for item in found}
    return [
        (i.file, "not_in_table", "no row of the tables names its series") for i in scan.images if i.file not in used
    ]
