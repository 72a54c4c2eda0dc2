"""What the table, the headers and the names decide, before any pixel is read."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcis_node.mammogram.eligibility import explain
from dcis_node.mammogram.facts import Reason
from training.cohort import Cohort
from training.importing.assemble import Annotate, Candidate, assemble
from training.importing.clinical import ClinicalRow
from training.importing.outcome import Outcome, write_outcome
from training.importing.patients import Pathology, affected_sides, reason_to_leave_out
from training.importing.scan import Progress, Scan, ScannedImage

NO_PATIENT, NO_SPACING = "no_patient_id", "no_spacing"

Left = tuple[str, str, str]
"""File, reason, detail."""


@dataclass(frozen=True)
class Known:
    """What an importer knows before it judges.

    Parameters
    ----------
    images
        All images.
    rows
        The clinical table.
    owners
        Image file -> patient's number; an image without one is left out.
    keys
        Patient's number -> key.
    annotations
        Image file -> what draws its annotation.
    """

    images: Sequence[ScannedImage]
    rows: Sequence[ClinicalRow]
    owners: Mapping[str, str]
    keys: Mapping[str, str]
    annotations: Mapping[str, Annotate]


@dataclass(frozen=True)
class Judged:
    """What is to be read, and what not.

    Parameters
    ----------
    candidates
        Images that are to become rows.
    left
        Images that are left out.
    patients
        Key of every patient -> why she is left out, or "".
    """

    candidates: tuple[Candidate, ...]
    left: tuple[Left, ...]
    patients: Mapping[str, str]


def judge_candidates(known: Known, *, assume_healthy: bool) -> Judged:
    """Apply the paper's exclusions to patients, the node's eligibility to images, and find the affected breasts."""
    judge = _Judge(known, assume_healthy=assume_healthy)
    return Judged(tuple(judge.candidates), tuple(judge.left), judge.patients)


def write_graded(
    judged: Judged,
    scan: Scan,
    keys: Mapping[str, str],
    *,
    unpaired: Sequence[Left] = (),
    out: Path,
    source: dict[str, Any],
    progress: Progress,
) -> Cohort:
    """Read the candidates' pixels and annotations, and write the cohort.

    Parameters
    ----------
    keys
        Image file -> key of its patient.
    unpaired
        Annotations that belong to no image.

    Raises
    ------
    TrainingError
        If no image is left.
    """
    assembly = assemble(judged.candidates, images=scan.folder, out=out, progress=progress)
    left = [*judged.left, *((e.key, e.reason, e.detail) for e in assembly.exclusions)]
    outcome = Outcome(scan.images, keys, judged.patients, left, assembly.views, unpaired)
    return write_outcome(outcome, out=out, images=scan.folder, source=source)


class _Judge:
    """What the table, the headers and the names decide, before any pixel is read."""

    def __init__(self, known: Known, *, assume_healthy: bool) -> None:
        self.candidates: list[Candidate] = []
        self.left: list[Left] = []
        self.patients: dict[str, str] = {}
        self._annotations, self._assume_healthy = known.annotations, assume_healthy
        rows, images = defaultdict(list), defaultdict(list)
        for row in known.rows:
            rows[row.patient_id].append(row)
        for image in known.images:
            if image.file in known.owners:
                images[known.owners[image.file]].append(image)
            elif image.header is None:
                self._is_usable(image)
            else:
                self._leave(image, NO_PATIENT, "nothing tells whose image it is")
        for number, key in known.keys.items():
            self._judge_patient(key, rows[number], images[number])

    def _judge_patient(self, key: str, rows: Sequence[ClinicalRow], images: Sequence[ScannedImage]) -> None:
        self.patients[key] = reason = ("" if images else "no_mammogram") or reason_to_leave_out(rows)
        if reason:
            return
        usable = [image for image in images if self._is_usable(image)]
        annotated = frozenset(str(i.facts.laterality) for i in usable if i.file in self._annotations)
        sides = affected_sides(rows, annotated)
        if sides.reason:
            # Nothing annotated and nothing usable is the images' fault, not the annotators'.
            self.patients[key] = sides.reason if usable else "no_usable_image"
            return
        for image in usable:
            side = str(image.facts.laterality)
            if side in sides.left_out:
                self._leave(image, sides.left_out[side], "that breast is affected too; see the manual of the import")
            else:
                self._take(key, image, sides.affected.get(side))

    def _is_usable(self, image: ScannedImage) -> bool:
        if image.reason is not Reason.ELIGIBLE:
            self._leave(image, str(image.reason), explain(image.reason))
        elif image.facts.spacing_mm is None:
            self._leave(image, NO_SPACING, "the header tells no pixel spacing")
        else:
            return True
        return False

    def _take(self, key: str, image: ScannedImage, truth: Pathology | None) -> None:
        annotate = self._annotations.get(image.file)
        if truth is not None and annotate is None:
            self._leave(image, "no_annotation", "the breast is affected, and nothing is annotated in this image")
        elif truth is None and annotate is not None:
            self._leave(image, "annotation_on_other_side", "annotated, but the table names the other breast")
        elif truth is None and not self._assume_healthy:
            self._leave(image, "other_breast", "not affected by the table; healthy breasts were not asked for")
        else:
            header = image.facts
            self.candidates.append(
                Candidate(
                    key, image, str(header.laterality), str(header.view), header.spacing_mm or (0, 0), truth, annotate
                )
            )

    def _leave(self, image: ScannedImage, reason: str, detail: str) -> None:
        self.left.append((image.file, reason, detail))
