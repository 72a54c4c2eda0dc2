"""Which phantom patients a cohort has, and a cohort of them that is drawn on demand: thousands of patients, no files.

Patient `number` of a cohort has phantom seed `seed * 10_000_000 + first + number`: two cohorts of other seeds, or of
ranges of one seed that do not meet, share nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dcis_node import __version__
from dcis_node.errors import TrainingError
from dcis_node.phantom.exam import STANDARD_VIEWS
from dcis_node.phantom.vendor import VENDOR_SHARES, VENDORS
from training.cohort import Cohort, CohortView, FlowStep, write_cohort
from training.images_phantom import phantom_rows

SEED_ROOM = 10_000_000
# Stream of a seed's random numbers that draws the detector where the cohort fixes the mix.
_VENDOR_STREAM = 1001


@dataclass(frozen=True)
class PhantomPlan:
    """Who is in a phantom cohort.

    Parameters
    ----------
    patients
        How many.
    seed, first
        See the module. `first` + `patients` is at most 10,000,000.
    vendors
        Detector -> weight; empty: as the phantoms' own mix.
    size
        (rows, columns) of a smaller detector of the same pitch, for trials of the chain; None = full size.

    Raises
    ------
    TrainingError
        If a value is not allowed.
    """

    patients: int
    seed: int
    first: int = 0
    vendors: Mapping[str, float] = field(default_factory=dict)
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.patients < 1 or self.seed < 0:
            raise TrainingError("a cohort has one patient at least, and a seed from 0")
        if self.first < 0 or self.first + self.patients > SEED_ROOM:
            msg = (
                f"patients {self.first} to {self.first + self.patients - 1}: 0 to {SEED_ROOM - 1} are allowed in a seed"
            )
            raise TrainingError(msg)
        unknown = sorted(set(self.vendors) - set(VENDORS))
        if unknown:
            raise TrainingError(f"unknown vendor {unknown[0]!r}; known: {', '.join(VENDORS)}")
        if self.vendors and not (min(self.vendors.values()) >= 0.0 and 0.0 < sum(self.vendors.values()) < np.inf):
            raise TrainingError("the shares of the vendors are numbers from 0, and not all 0")
        if self.size is not None and not 128 <= min(self.size) <= max(self.size) <= 9999:
            raise TrainingError("a detector has 128 to 9999 rows and columns")

    def patient_seed(self, number: int) -> int:
        """Give the phantom seed of patient `number`, 0 to `patients` - 1."""
        return self.seed * SEED_ROOM + self.first + number

    def vendor(self, number: int) -> str:
        """Give the detector of a patient; "" where it is drawn from the seed as ever."""
        if not self.vendors and self.size is None:
            return ""
        mix = self.vendors or VENDOR_SHARES
        shares = np.array(list(mix.values())) / sum(mix.values())
        rng = np.random.default_rng((self.patient_seed(number), _VENDOR_STREAM))
        return str(rng.choice(list(mix), p=shares))

    def key(self, number: int) -> str:
        """Name a patient; the name carries the number within the seed."""
        return f"p{self.first + number:07d}"

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        size = list(self.size) if self.size else None
        return {
            "tool": f"dcis-train phantoms {__version__}",
            "patients": self.patients,
            "seed": self.seed,
            "first": self.first,
            "vendors": dict(self.vendors),
            "size": size,
        }


def read_vendors(text: str) -> dict[str, float]:
    """Read a mix such as `hologic=0.5,ge=0.5`; "" gives an empty one.

    Raises
    ------
    TrainingError
        If it is no such list. Names are judged by `PhantomPlan`.
    """
    mix: dict[str, float] = {}
    for part in text.split(",") if text.strip() else ():
        name, _, share = part.partition("=")
        try:
            mix[name.strip()] = float(share)
        except ValueError:
            raise TrainingError(f"{part.strip()!r} is no share of a vendor; write hologic=0.5,ge=0.5") from None
    return mix


def read_size(text: str) -> tuple[int, int] | None:
    """Read a size such as `640x512`; "" gives None.

    Raises
    ------
    TrainingError
        If it is no size.
    """
    rows, _, columns = text.partition("x")
    if not text:
        return None
    if not (rows.isdecimal() and columns.isdecimal()):
        raise TrainingError(f"{text!r} is no size; write ROWSxCOLUMNS, such as 640x512")
    return int(rows), int(columns)


def make_phantom_cohort(folder: Path, plan: PhantomPlan, *, report: Callable[[int], None] | None = None) -> Cohort:
    """Write a cohort whose images are drawn on demand.

    Parameters
    ----------
    folder
        Of the cohort; there is none yet.
    report
        Called with the number of patients done.

    Raises
    ------
    TrainingError
        If the folder has a cohort already.
    """
    views: list[CohortView] = []
    for number in range(plan.patients):
        views += phantom_rows(
            plan.patient_seed(number),
            patient=plan.key(number),
            vendor=plan.vendor(number),
            size=plan.size,
            first_image=number * len(STANDARD_VIEWS),
        )
        if report is not None:
            report(number + 1)
    flow = [FlowStep("synthetic patients drawn on demand", plan.patients, len(views))]
    return write_cohort(folder, images=folder, synthetic=True, views=views, flow=flow, source=plan.to_json())
