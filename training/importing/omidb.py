"""OMI-DB (OPTIMAM): images as DICOM, pathology and readers' boxes as JSON. Boxes are weak labels."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import dcis_node
from training.annotations.annotation import Annotation, ImageFacts, annotation
from training.cohort import Cohort
from training.importing.assemble import Annotate
from training.importing.boxes import box_labels
from training.importing.candidates import Known, Left, judge_candidates, write_graded
from training.importing.clinical import ClinicalRow
from training.importing.keys import patient_keys, write_key_file
from training.importing.nbss import SIDES, Client, Mark, Specimen, Study, read_clients
from training.importing.outcome import refuse_existing
from training.importing.scan import Progress, ScannedImage, scan_images

KIND = "omidb_box"


def import_omidb(
    images: Path,
    omidb: Path,
    out: Path,
    *,
    progress: Progress,
    assume_healthy: bool = True,
    key_file: Path | None = None,
) -> Cohort:
    """Make a cohort of OMI-DB.

    The grade is that of SURGERY; BIOPSYWIDE's is kept beside it, and invasion there leaves the client out. Of a client
    with several graded episodes the first counts; images of other episodes, and those taken after the biopsy, are left
    out.

    Parameters
    ----------
    images
        Folder of DICOM files, in any order.
    omidb
        Folder with `nbss_*.json` and `imagedb_*.json`.
    out, key_file
        As for a hospital.

    Raises
    ------
    TrainingError
        If the files cannot be read, or nothing is left.
    """
    refuse_existing(out)
    clients = [_known(client) for client in read_clients(omidb)]
    scan = scan_images(images, progress=progress)
    owners, left, annotations = _join(clients, scan.images)
    keys = patient_keys({client.id for client in clients}, (image.sha256 for image in scan.images))
    rows = [row for client in clients for row in client.rows]
    passed = {file for file, _, _ in left}
    used = [image for image in scan.images if image.file not in passed]
    judged = judge_candidates(Known(used, rows, owners, keys, annotations), assume_healthy=assume_healthy)
    cohort = write_graded(
        replace(judged, left=(*judged.left, *left)),
        scan,
        {file: keys[number] for file, number in owners.items()},
        out=out,
        source={
            "dataset": "omidb",
            "tool": f"dcis-train import {dcis_node.__version__}",
            "clients": len(clients),
            "assume_healthy": assume_healthy,
            "annotations": "readers' boxes: weak labels",
        },
        progress=progress,
    )
    if key_file is not None:
        write_key_file(key_file, keys, cohort=out)
    return cohort


@dataclass(frozen=True)
class _Known:
    """What counts of one client.

    Parameters
    ----------
    rows
        As a clinical table would have them; () without a grade at surgery.
    images
        SOP Instance UID -> (reason to leave it out or "", the marks that count).
    """

    id: str
    rows: tuple[ClinicalRow, ...]
    images: dict[str, tuple[str, tuple[Mark, ...]]]


def _known(client: Client) -> _Known:
    graded = {key: found for key, found in client.surgery.items() if found.grade is not None}
    if not graded:
        return _Known(client.id, (), {uid: ("", ()) for study in client.studies for uid in study.images})
    episode = min(graded, key=lambda key: (graded[key].date or "9999", key))[0]
    lesions = {key[1:] for key in graded if key[0] == episode}
    numbers = {number for _, number in lesions}
    biopsied = min((s.date for k, s in client.biopsy.items() if k[0] == episode and s.date), default="")
    images: dict[str, tuple[str, tuple[Mark, ...]]] = {}
    seen: list[Mark] = []
    for study in client.studies:
        reason = _reason(study, episode=episode, biopsied=biopsied)
        for uid, marks in study.images.items():
            ours = tuple(mark for mark in marks if not mark.lesions or numbers & set(mark.lesions))
            images[uid] = reason, tuple(mark for mark in ours if mark.calcification or not mark.mass)
            seen += () if reason else ours
    has_mass = any(mark.mass for mark in seen)
    rows = [_row(client, episode, side, has_mass=has_mass) for side in SIDES if side in {s for s, _ in lesions}]
    return _Known(client.id, tuple(rows), images)


def _reason(study: Study, *, episode: str, biopsied: str) -> str:
    if study.episode != episode:
        return "other_episode"
    # The paper takes mammograms from before the biopsy: afterwards a clip, or a scar, shows.
    return "after_biopsy" if biopsied and study.date > biopsied else ""


def _row(client: Client, episode: str, side: str, *, has_mass: bool) -> ClinicalRow:
    """Sum up the lesions of one breast: the highest grade, any invasion."""
    surgery = [s for key, s in client.surgery.items() if key[:2] == (episode, side)]
    biopsy = [s for key, s in client.biopsy.items() if key[:2] == (episode, side)]
    return ClinicalRow(
        row=0,
        patient_id=client.id,
        laterality=side,
        grade_surgery=_highest(surgery),
        invasive=any(s.invasive for s in surgery),
        grade_biopsy=_highest(biopsy),
        lcis=any(s.lobular for s in (*surgery, *biopsy)),
        invasive_at_biopsy=any(s.invasive for s in biopsy),
        mass_or_distortion=has_mass,
        detection="screening" if episode in client.screened else "",
    )


def _highest(specimens: Sequence[Specimen]) -> int | None:
    return max((s.grade for s in specimens if s.grade is not None), default=None)


def _join(
    clients: Sequence[_Known], images: Sequence[ScannedImage]
) -> tuple[dict[str, str], list[Left], dict[str, Annotate]]:
    """Join images and JSON by SOP Instance UID."""
    places = {uid: (client.id, *known) for client in clients for uid, known in client.images.items()}
    owners: dict[str, str] = {}
    left: list[Left] = []
    annotations: dict[str, Annotate] = {}
    details = defaultdict(str, other_episode="of another episode", after_biopsy="taken after the biopsy")
    for image in images:
        if image.header is None or image.header.sop_instance_uid not in places:
            continue
        client, reason, marks = places[image.header.sop_instance_uid]
        owners[image.file] = client
        if reason:
            left.append((image.file, reason, details[reason]))
        elif marks:
            annotations[image.file] = partial(_annotation, marks)
    return owners, left, annotations


def _annotation(marks: Sequence[Mark], facts: ImageFacts) -> Annotation:
    return annotation(box_labels((mark.box for mark in marks), facts), facts, file=KIND, kind=KIND, weak=True)
