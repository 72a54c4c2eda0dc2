"""A synthetic hospital on disk: what a real one would hand over, made of phantoms, with a few things that are odd.

`images/<folder>/*.dcm`, `annotations/` in the formats of several tools, `clinical.csv`, and a README that says what it
is. `truth.csv` tells which phantom each image is; no hospital has such a file, and nothing but the oracle reads it.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from dcis_node.errors import TrainingError
from training.hospital_patient import ODDITIES, HospitalPatient, Written, write_patient
from training.phantom_cohort import PhantomPlan

README, CLINICAL, TRUTH = "README.txt", "clinical.csv", "truth.csv"
IMAGES, ANNOTATIONS = "images", "annotations"
_README = """SYNTHETIC PHANTOMS - NOT PATIENTS - RESEARCH USE ONLY

Made by {tool}: {patients} patients, seed {seed}, first {first}.
Every image, annotation and row of the table was drawn by a computer. No figure that is learnt or measured here says
anything of patients.

images/        DICOM mammograms, one folder per exam
annotations/   one file per annotated view, named as its image, in the formats of several tools
clinical.csv   one row per patient
truth.csv      which phantom each image is; no hospital has such a file, and the import does not read it

On purpose not all of it can be used:
{odd}
"""


@dataclass(frozen=True)
class Hospital:
    """What was made.

    Parameters
    ----------
    folder
        Of `images`, `annotations` and the tables.
    patients, images, annotations
        Folders of patients, DICOM files and annotation files.
    odd
        Patient number -> name of what is odd with it.
    """

    folder: Path
    patients: int
    images: int
    annotations: int
    odd: dict[int, str]


def make_hospital(
    folder: Path,
    plan: PhantomPlan,
    *,
    odd: int = 5,
    processes: int = 1,
    report: Callable[[int], None] | None = None,
) -> Hospital:
    """Make the folder.

    Parameters
    ----------
    odd
        How many of the patients have something odd, each another thing; see `ODDITIES`.
    processes
        Patients that are rendered at once.
    report
        Called with the number of patients done.

    Raises
    ------
    TrainingError
        If the folder is not empty, or there are not enough patients for the odd things.
    """
    if folder.exists() and any(folder.iterdir()):
        raise TrainingError(f"{folder} is not empty; name a new folder")
    tasks = _tasks(folder, plan, place_oddities(plan.patients, odd))
    written: list[Written] = []
    for one in _run(tasks, processes):
        written.append(one)
        if report is not None:
            report(len(written))
    strange = {task.number: task.odd for task in tasks if task.odd}
    _write_tables(folder, written)
    told = "\n".join(f"- {ODDITIES[name]}" for name in strange.values()) or "- nothing is odd here"
    (folder / README).write_text(_README.format(odd=told, **plan.to_json()), encoding="ascii")
    return Hospital(
        folder,
        patients=len(written),
        images=sum(len(one.truth) for one in written),
        annotations=sum(one.annotations for one in written),
        odd=strange,
    )


def place_oddities(patients: int, odd: int) -> dict[int, str]:
    """Spread the odd things evenly over the patients, each kind once before any is there twice.

    Raises
    ------
    TrainingError
        If there are more than patients.
    """
    if not 0 <= odd <= patients:
        raise TrainingError(f"{odd} odd things for {patients} patients: 0 to {patients} are allowed")
    names = list(ODDITIES)
    return {(place * patients) // odd: names[place % len(names)] for place in range(odd)}


def _tasks(folder: Path, plan: PhantomPlan, odd: Mapping[int, str]) -> list[HospitalPatient]:
    return [
        HospitalPatient(
            images=folder / IMAGES,
            annotations=folder / ANNOTATIONS,
            number=number,
            seed=plan.patient_seed(number),
            patient_id=f"SYN{plan.seed}-{plan.key(number)}",
            vendor=plan.vendor(number),
            size=plan.size,
            odd=odd.get(number, ""),
        )
        for number in range(plan.patients)
    ]


def _run(tasks: list[HospitalPatient], processes: int) -> Iterable[Written]:
    if processes == 1:
        yield from map(write_patient, tasks)
        return
    # A fresh interpreter each: the caller may have threads (progress bars, torch), which a fork would not survive.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(write_patient, tasks)


def _write_tables(folder: Path, written: list[Written]) -> None:
    rows = [row for one in written for row in one.clinical]
    _write_csv(folder / CLINICAL, rows)
    _write_csv(folder / TRUTH, [row for one in written for row in one.truth])


def _write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
