"""A hospital's own data: a folder of DICOM, a folder of annotations, and a clinical table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import dcis_node
from dcis_node.canonical import digest
from training.annotations.annotation import Annotation, ImageFacts, annotation
from training.annotations.reading import read_annotation
from training.cohort import Cohort
from training.importing.candidates import Known, judge_candidates, write_graded
from training.importing.clinical import ClinicalRow, ClinicalTable, read_clinical
from training.importing.keys import patient_keys, write_key_file
from training.importing.outcome import refuse_existing
from training.importing.pairing import pair
from training.importing.scan import Progress, Scan, ScannedImage, scan_images


@dataclass(frozen=True)
class HospitalFolders:
    """Where a hospital's data lies, and how to take it.

    Parameters
    ----------
    images, annotations
        Folders, searched with all below them.
    clinical
        The clinical table (see `training.importing.clinical`).
    ignore_columns
        Columns of it to pass over.
    assume_healthy
        Take images of the other breast, which is neither affected by the table nor annotated, as without a lesion.
        Networks need such images; that they are healthy is an assumption, and the cohort says that it was made.
    """

    images: Path
    annotations: Path
    clinical: Path
    ignore_columns: tuple[str, ...] = ()
    assume_healthy: bool = True


def import_hospital(folders: HospitalFolders, out: Path, *, progress: Progress, key_file: Path | None = None) -> Cohort:
    """Make a cohort of a hospital's data.

    Parameters
    ----------
    out
        Folder of the cohort: new or empty.
    key_file
        Write hospital numbers beside the patients' keys here; otherwise nothing leads back from a key.

    Raises
    ------
    TrainingError
        If a folder or the table cannot be used, rows of the table disagree, or nothing is left.
    """
    refuse_existing(out)
    table = read_clinical(folders.clinical, ignore=folders.ignore_columns)
    scan = scan_images(folders.images, progress=progress)
    pairs = pair(folders.annotations, scan.images)
    owners = _owners(scan.images, table.rows)
    numbers = {row.patient_id for row in table.rows} | set(owners.values())
    keys = patient_keys(numbers, (image.sha256 for image in scan.images))
    judged = judge_candidates(
        Known(
            scan.images,
            table.rows,
            owners,
            keys,
            {file: partial(_merged, paths) for file, paths in pairs.files.items()},
        ),
        assume_healthy=folders.assume_healthy,
    )
    cohort = write_graded(
        judged,
        scan,
        {file: keys[number] for file, number in owners.items()},
        unpaired=pairs.unpaired,
        out=out,
        source=_source(folders, table, scan, owners),
        progress=progress,
    )
    if key_file is not None:
        write_key_file(key_file, keys, cohort=out)
    return cohort


def _owners(images: Sequence[ScannedImage], rows: Sequence[ClinicalRow]) -> dict[str, str]:
    """Give image file -> hospital number: by the table's image folders, else by Patient ID."""
    folders = {row.image_folder.strip("/") + "/": row.patient_id for row in rows if row.image_folder}
    owners = {}
    for image in images:
        by_folder = next((number for folder, number in folders.items() if image.file.startswith(folder)), "")
        number = by_folder or image.patient_id
        if number:
            owners[image.file] = number
    return owners


def _merged(files: Sequence[Path], facts: ImageFacts) -> Annotation:
    """Read all annotations of one image; where they overlap the higher label counts."""
    parts = [read_annotation(path, facts) for path in files]
    if len(parts) == 1:
        return parts[0]
    return annotation(
        np.maximum.reduce([part.labels for part in parts]),
        facts,
        file=files[0].name,
        kind=parts[0].kind,
        weak=all(part.weak for part in parts),
        references=tuple(dict.fromkeys(uid for part in parts for uid in part.references)),
    )


def _source(folders: HospitalFolders, table: ClinicalTable, scan: Scan, owners: Mapping[str, str]) -> dict[str, object]:
    """Say how the cohort was made; no path, and nothing of a patient."""
    rows = [[getattr(row, name) for name in table.columns if name != "patient_id"] for row in table.rows]
    # Shorter numbers stand in any path by chance.
    named = sum(len(number) >= 4 and number in file for file, number in owners.items())
    return {
        "dataset": "hospital",
        "tool": f"dcis-train import {dcis_node.__version__}",
        "clinical_rows": len(table.rows),
        "clinical_columns": list(table.columns),
        "clinical_columns_ignored": list(table.ignored),
        "clinical_sha256": digest(rows),
        "assume_healthy": folders.assume_healthy,
        "files_not_dicom": scan.others[0],
        "objects_not_images": scan.others[1],
        # Such paths lead back to patients: to be renamed before the cohort leaves the hospital.
        "paths_with_patient_id": named,
    }
