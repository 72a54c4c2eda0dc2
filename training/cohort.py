"""The cohort: one row per view with what is known of it, and the label it has in a scenario.

`cohort.json` is written once by `dcis-train import` (or `phantoms`), is known by its SHA-256, and every later step
names that hash. No row holds a hospital's number, name or date.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from training.files import write_json

Scenario = Literal["grade", "upstage"]
SCENARIOS: tuple[Scenario, ...] = ("grade", "upstage")
HIGH_GRADE = 3
UNLABELLED = -1
COHORT_NAME = "cohort.json"
COHORT_FORMAT = "dcis-cohort/1"


@dataclass(frozen=True)
class CohortView:
    """One view, or one region of it, with its patient's pathology.

    Parameters
    ----------
    patient
        Key of the patient within the cohort; never a hospital's number.
    laterality, view
        `R` or `L`; View Position such as `CC`, `MLO`.
    grade
        1, 2 or 3 at surgery; 0 where there is no lesion in this view (a healthy breast), and in data without grades.
    upstaged
        Occult invasive cancer in the specimen.
    vendor, model
        Manufacturer and model of the detector.
    image
        Key of the row within the cohort, such as `image-00012`.
    file
        Where the pixels are: a path relative to the cohort's `images` folder, or `phantom:SEED/SIDE/VIEW` for a view
        that the phantom generator draws on demand. "" in a store made without a cohort.
    sha256, pixels_sha256
        Of the file's bytes, and of its stored pixel values (shape, type and values: equal pixels in another file or
        syntax have the same). For `phantom:` rows both are the digest of the word itself.
    sop_instance_uid
        Of the image; "" for `phantom:` rows.
    rows, columns, spacing_mm
        Size, and (row, column) spacing at the detector plane.
    mask
        Label picture relative to the cohort's folder (8-bit PNG of the image's size: 0 background, 1 lesion region,
        2 calcification inside it), `phantom:` where it is drawn with the image, or "" where nothing is annotated.
    mask_sha256
        Of that PNG; "" without one.
    annotation
        What the mask was made from: `slicer`, `nrrd`, `nifti`, `dicom_seg`, `png`, `sr`, `gsps`, `omidb_box`,
        `cbis_ddsm`, `inbreast`, `phantom`; "" without one.
    weak
        True if the mask is a box or another coarse mark, not an outline.
    grade_biopsy
        1, 2, 3 or None where unknown.
    age, size_mm, density, detection
        Years at the mammogram, size in the specimen in mm, BI-RADS density `a` ... `d`, `screening` or `symptomatic`;
        None or "" where unknown.
    """

    patient: str
    laterality: str
    view: str
    grade: int
    upstaged: bool
    vendor: str = ""
    model: str = ""
    image: str = ""
    file: str = ""
    sha256: str = ""
    pixels_sha256: str = ""
    sop_instance_uid: str = ""
    rows: int = 0
    columns: int = 0
    spacing_mm: tuple[float, float] = (0.0, 0.0)
    mask: str = ""
    mask_sha256: str = ""
    annotation: str = ""
    weak: bool = False
    grade_biopsy: int | None = None
    age: int | None = None
    size_mm: float | None = None
    density: str = ""
    detection: str = ""

    @property
    def lesion(self) -> bool:
        """True if a lesion is annotated in this view, with or without a grade."""
        return bool(self.grade or self.mask)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "CohortView":
        """Restore what `asdict` gave."""
        spacing = values.get("spacing_mm", (0.0, 0.0))
        return cls(**{**values, "spacing_mm": (float(spacing[0]), float(spacing[1]))})


@dataclass(frozen=True)
class Exclusion:
    """One thing that was left out, and why.

    Parameters
    ----------
    subject
        `patient` or `image`.
    key
        The patient's key, or the file relative to the images folder where it has no patient.
    reason
        Stable name, such as `lcis`, `invasive_at_biopsy`, `under_age`, `magnification_view`, `no_label`, `mask_size`.
    detail
        One sentence for the researcher, without patient data.
    """

    subject: Literal["patient", "image"]
    key: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class FlowStep:
    """One box of the flow chart (the paper's Fig. 1): what happened, and how many were left."""

    name: str
    patients: int
    images: int


@dataclass(frozen=True)
class Cohort:
    """A cohort as it lies on disk.

    Parameters
    ----------
    folder
        Where `cohort.json` and the masks are.
    images
        Folder of the image files, absolute; any folder for `phantom:` rows.
    synthetic
        True if any row is a phantom's: everything made from it then says so.
    views
        All rows; those of healthy breasts have no mask.
    exclusions, flow
        What was left out and why; the counts step by step.
    source
        How it was made: tool, versions, seed, settings. Plain values.
    sha256
        Digest of all that except the folders: the cohort's identity.
    """

    folder: Path
    images: Path
    synthetic: bool
    views: tuple[CohortView, ...]
    exclusions: tuple[Exclusion, ...]
    flow: tuple[FlowStep, ...]
    source: dict[str, Any]
    sha256: str


def write_cohort(
    folder: Path,
    *,
    images: Path,
    synthetic: bool,
    views: Sequence[CohortView],
    exclusions: Sequence[Exclusion] = (),
    flow: Sequence[FlowStep] = (),
    source: dict[str, Any] | None = None,
) -> Cohort:
    """Write `cohort.json`, once.

    Raises
    ------
    TrainingError
        If there is one already, or two rows share a key.
    """
    path = folder / COHORT_NAME
    if path.exists():
        raise TrainingError(f"{COHORT_NAME} exists already in the folder; a cohort is never changed, make a new one")
    keys = [view.image for view in views]
    if len(set(keys)) != len(keys):
        raise TrainingError("two rows of the cohort share an image key")
    content = {
        "format": COHORT_FORMAT,
        "synthetic": synthetic,
        "views": [asdict(view) for view in views],
        "exclusions": [asdict(exclusion) for exclusion in exclusions],
        "flow": [asdict(step) for step in flow],
        "source": source or {},
    }
    write_json(path, {**content, "images": str(images.resolve()), "sha256": digest(content)})
    return read_cohort(folder)


def read_cohort(folder: Path, *, images: Path | None = None) -> Cohort:
    """Read a cohort and check that it is what was written.

    Parameters
    ----------
    folder
        Of `cohort.json`, or that file.
    images
        Where the image files are now, if they were moved.

    Raises
    ------
    TrainingError
        If it is not there, of another format, or was edited.
    """
    path = folder if folder.name == COHORT_NAME else folder / COHORT_NAME
    try:
        listed = json.loads(path.read_text(encoding="ascii"))
        content = {k: listed[k] for k in ("format", "synthetic", "views", "exclusions", "flow", "source")}
        told, where = listed["sha256"], Path(listed["images"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"no readable cohort in {path.parent}: {type(error).__name__}") from error
    if content["format"] != COHORT_FORMAT or digest(content) != told:
        raise TrainingError(f"{path} was edited, or is of another version: its content does not have its hash")
    return Cohort(
        folder=path.parent,
        images=images or where,
        synthetic=content["synthetic"],
        views=tuple(CohortView.from_json(row) for row in content["views"]),
        exclusions=tuple(Exclusion(**row) for row in content["exclusions"]),
        flow=tuple(FlowStep(**row) for row in content["flow"]),
        source=content["source"],
        sha256=told,
    )


def label(view: CohortView, scenario: str) -> int:
    """Give 1 for high risk, 0 for low, -1 where the scenario leaves the view out.

    `grade`: pure DCIS only, grade III against I/II. `upstage`: grade III or occult invasive cancer against neither.

    Raises
    ------
    TrainingError
        If the scenario is unknown.
    """
    if scenario not in SCENARIOS:
        msg = f"scenario must be grade or upstage, got {scenario!r}"
        raise TrainingError(msg)
    if not view.grade:
        return UNLABELLED
    if scenario == "grade":
        return UNLABELLED if view.upstaged else int(view.grade == HIGH_GRADE)
    return int(view.grade == HIGH_GRADE or view.upstaged)


def patient_labels(views: Sequence[CohortView], scenario: str) -> dict[str, int]:
    """Give each labelled patient's label.

    Raises
    ------
    TrainingError
        If two views of a patient disagree.
    """
    labels: dict[str, int] = {}
    for view in views:
        value = label(view, scenario)
        if value == UNLABELLED:
            continue
        if labels.setdefault(view.patient, value) != value:
            msg = f"patient {view.patient} has two labels"
            raise TrainingError(msg)
    return labels
