"""What the results are made of: everything known about one exam when it was decided, as plain frozen values."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dcis_node.mammogram.facts import MammogramHeader, Reason
from dcis_node.model.evidence import Decision, ViewPrediction
from dcis_node.results.kinds import ResultKind


@dataclass(frozen=True)
class ObjectReference:
    """The four UIDs by which another object is pointed at."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True)
class UsedMark:
    """The mark that centred the crop of a view.

    Parameters
    ----------
    kind
        `seg`, `sr_scoord`, `cad_sr` or `gsps`, as in `dcis_node.mammogram.facts.Mark`.
    source
        The received object that carries the mark. It becomes evidence of the report.
    among
        How many marks the exam holds on this view, the one that was used with them.
    """

    kind: str
    source: ObjectReference
    among: int = 1


@dataclass(frozen=True)
class EarlierDocument:
    """A report (SR) of the version before."""

    kind: ResultKind
    reference: ObjectReference


@dataclass(frozen=True, eq=False)
class ViewPicture:
    """A small picture of a view, as the image itself asks to be shown.

    Parameters
    ----------
    grey
        (height, width) uint8, air black, not mirrored: the whole image, reduced. Its column x covers the image's
        columns x * columns / width and on.
    mirrored
        True if it has to be mirrored left to right to be hung: chest walls back to back, right breast on the left.
    """

    grey: NDArray[np.uint8]
    mirrored: bool


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One received object of the exam: analysed, or left out with its reason.

    Parameters
    ----------
    header
        The facts of its header.
    attributes
        Its whole header, without Pixel Data. Patient and study are copied from here. Never altered.
    reason
        `Reason.ELIGIBLE` if it was analysed, else the stable name of why not (header, pixels or analysis).
    explanation
        One sentence for the radiologist that says the same in words.
    prediction
        What the model says of the view; None exactly when `reason` is not `ELIGIBLE`.
        `prediction.mask` has the image's (rows, columns).
    mark
        The mark that was used, when `prediction.source` is `given`.
    picture
        None where the view was not analysed.
    """

    header: MammogramHeader
    attributes: Dataset = field(repr=False)
    reason: Reason
    explanation: str
    prediction: ViewPrediction | None = None
    mark: UsedMark | None = None
    picture: ViewPicture | None = None

    @property
    def uid(self) -> str:
        """Its SOP Instance UID."""
        return self.header.sop_instance_uid

    @property
    def outlined(self) -> bool:
        """True if at least one pixel of the view was outlined."""
        return self.prediction is not None and bool(self.prediction.mask.any())

    @property
    def has_finding(self) -> bool:
        """True if the view has an outline or a probability: at a given mark there may be the one without the other."""
        return self.outlined or (self.prediction is not None and self.prediction.probability is not None)


@dataclass(frozen=True)
class OperatingPoint:
    """What the threshold gave on the patients it was measured on.

    Parameters
    ----------
    sensitivity, specificity
        For high risk, in [0, 1].
    patients
        How many.
    data
        One sentence: which patients these were.
    """

    sensitivity: float
    specificity: float
    patients: int
    data: str


@dataclass(frozen=True)
class ModelIdentity:
    """Which model spoke.

    Parameters
    ----------
    sha256
        Of the bundle's manifest, 64 hexadecimal digits.
    scenario
        `grade` or `upstage`: what "high risk" means for this model.
    synthetic
        True if it was trained on phantoms; then every object says so.
    threshold
        Operating point in [0, 1] on the probability of high-risk DCIS.
    operating
        What that threshold gave, where the bundle says so.
    """

    name: str
    version: str
    sha256: str
    scenario: str
    synthetic: bool
    threshold: float
    folds: int
    operating: OperatingPoint | None = None


@dataclass(frozen=True)
class Equipment:
    """The node as General Equipment and Contributing Equipment name it (PS3.3 C.7.5.1, C.12.1)."""

    manufacturer: str
    model_name: str
    software_version: str
    device_serial_number: str
    station_name: str = ""
    institution: str = ""
    aet: str = ""


@dataclass(frozen=True)
class AskedFor:
    """That images were asked for elsewhere, as standard views were missing.

    Parameters
    ----------
    source
        Its name in the configuration: ASCII.
    missing
        The views that were missing, such as `L MLO`.
    asked_at
        When; aware.
    found, came
        How many images it had that were not here, and how many of them came.
    answered
        True if it was asked to the end: `found` is all it has.
    reached
        False if it was not even tried in the time that an exam waits.
    """

    source: str
    missing: tuple[str, ...]
    asked_at: datetime
    found: int = 0
    came: int = 0
    answered: bool = True
    reached: bool = True


@dataclass(frozen=True, eq=False)
class ExamAnswer:
    """Everything that the result objects of one version of one exam's answer are built from.

    Equal answers give equal bytes: there is no clock and no chance behind it.

    Parameters
    ----------
    images
        Every received object of the exam, analysed or not, at least one. Their order does not matter.
    decision
        Breast by breast, then the patient.
    made_at
        When the decision fell; must be aware. Dates and times are written in its own zone (pass the site's local
        time), or in that of the images where they state a Timezone Offset From UTC (0008,0201).
    inputs_sha256
        Digest of the inputs (instances, bundle, settings), 64 hexadecimal digits: the root of all derived UIDs.
    completeness
        One ASCII sentence for the radiologist, for example `All four standard views were received.`
    version
        1 for the first answer of the exam, then 2, 3 ...
    predecessor
        The reports (SR) of the previous version; empty in the first.
    asked_for
        Whom missing views were asked of, in that order.
    prior_dates
        Days (YYYYMMDD) of earlier mammograms that are here, newest first; None where none were asked for.
    change
        In ASCII what changed since the previous version; empty in the first.
    risk_change
        The sentence of `change` that says that a risk class changed; empty where none did.
    """

    images: tuple[SourceImage, ...]
    decision: Decision
    model: ModelIdentity
    equipment: Equipment
    made_at: datetime
    inputs_sha256: str
    completeness: str = ""
    version: int = 1
    predecessor: tuple[EarlierDocument, ...] = ()
    asked_for: tuple[AskedFor, ...] = ()
    prior_dates: tuple[str, ...] | None = None
    change: str = ""
    risk_change: str = ""

    @property
    def outlined(self) -> bool:
        """True if anything was outlined in any view."""
        return any(image.outlined for image in self.images)


@dataclass(frozen=True)
class ResultObject:
    """One finished object, checked, as it is stored and sent.

    Parameters
    ----------
    data
        The complete PS3.10 file, with a preamble of zeros.
    """

    kind: ResultKind
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    transfer_syntax_uid: str
    data: bytes = field(repr=False)
