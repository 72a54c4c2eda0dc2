"""What the importers of public data sets share: no grade is known, so their rows serve segmentation only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcis_node.mammogram.eligibility import explain
from dcis_node.mammogram.facts import Reason
from training.cohort import Cohort
from training.importing.assemble import Annotate, Candidate, assemble
from training.importing.candidates import Left
from training.importing.keys import patient_keys
from training.importing.outcome import Outcome, write_outcome
from training.importing.patients import Pathology
from training.importing.scan import Progress, Scan, ScannedImage, relax

_DENSITIES = dict(zip("1234", "abcd", strict=True))


@dataclass(frozen=True)
class PublicImage:
    """One mammogram as the data set's own tables describe it.

    Parameters
    ----------
    patient
        The data set's name of the patient.
    laterality, view
        As the tables state them.
    density
        BI-RADS 1 ... 4, or anything else where unknown.
    annotate
        Draws the annotation; None where there is none.
    healthy
        Without one: the tables say that nothing was found.
    """

    image: ScannedImage
    patient: str
    laterality: str
    view: str
    density: str = ""
    annotate: Annotate | None = None
    healthy: bool = False


def write_public(
    found: Sequence[PublicImage],
    scan: Scan,
    out: Path,
    *,
    spacing_mm: float,
    unused: Sequence[Left] = (),
    source: dict[str, Any],
    progress: Progress,
) -> Cohort:
    """Write the cohort of a public data set.

    Parameters
    ----------
    spacing_mm
        Where a header tells none; the source says so.
    unused
        Images that no table names, with the reason.

    Raises
    ------
    TrainingError
        If nothing is left.
    """
    keys = patient_keys({item.patient for item in found}, (image.sha256 for image in scan.images))
    left, candidates, assumed = list(unused), [], 0
    for item in found:
        image = relax(item.image, laterality=item.laterality, view=item.view)
        if image.reason is not Reason.ELIGIBLE:
            left.append((image.file, str(image.reason), explain(image.reason)))
        elif item.annotate is None and not item.healthy:
            left.append((image.file, "no_annotation", "no calcification is outlined in this image"))
        else:
            assumed += image.facts.spacing_mm is None
            candidates.append(_candidate(item, image, keys, spacing_mm))
    assembly = assemble(candidates, images=scan.folder, out=out, progress=progress)
    left += [(e.key, e.reason, e.detail) for e in assembly.exclusions]
    files = {item.image.file: keys[item.patient] for item in found}
    outcome = Outcome(scan.images, files, dict.fromkeys(keys.values(), ""), left, assembly.views)
    told = {
        **source,
        "eligibility": "relaxed: secondary captures are taken; side and view are those of the data set's tables",
        "grades": "none: for pre-training the segmentation only",
        "assumed_spacing_mm": spacing_mm,
        "images_with_assumed_spacing": assumed,
    }
    return write_outcome(outcome, out=out, images=scan.folder, source=told, needs_lesion=False)


def _candidate(item: PublicImage, image: ScannedImage, keys: Mapping[str, str], spacing_mm: float) -> Candidate:
    truth = Pathology(grade=0, upstaged=False, density=_DENSITIES.get(item.density, ""))
    return Candidate(
        keys[item.patient],
        image,
        item.laterality,
        item.view,
        image.facts.spacing_mm or (spacing_mm, spacing_mm),
        truth,
        item.annotate,
    )
