"""What an evaluation says, as it lies on disk: every prediction, and the figures made from them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from training.files import write_json

EVALUATION_NAME = "evaluation.json"
EVALUATION_FORMAT = "dcis-evaluation/1"


@dataclass(frozen=True)
class JudgedView:
    """One test view, judged with the lesion given and with nothing given.

    Parameters
    ----------
    label
        1 high, 0 low, -1 outside the scenario.
    lesion
        True if there is one in truth.
    given_probabilities
        Each fold's calibrated probability round the true lesion; () without one.
    given_dice
        Overlap of what the node outlines at a mark on the true lesion with the truth; None without a lesion.
    found_probabilities
        Each fold's calibrated probability round the first mark of the sweep; () if there was no mark, or no sweep.
    swept
        True if the whole view was swept; the rest of the row means nothing otherwise.
    hit, any_hit
        The first mark, or any, is the lesion.
    marks, false_marks
        Marks of the view, and those that are not the lesion.
    found_dice
        Of the outlined first mark with the truth in the whole view; 0 where it was missed, None without a lesion.
    """

    image: str
    patient: str
    laterality: str
    view: str
    label: int
    lesion: bool
    vendor: str = ""
    density: str = ""
    detection: str = ""
    size_mm: float | None = None
    given_probabilities: tuple[float, ...] = ()
    given_dice: float | None = None
    found_probabilities: tuple[float, ...] = ()
    swept: bool = False
    hit: bool = False
    any_hit: bool = False
    marks: int = 0
    false_marks: int = 0
    found_dice: float | None = None


@dataclass(frozen=True)
class JudgedPatient:
    """One test patient: MLO and CC averaged within the breast with the lesion, folds averaged.

    Parameters
    ----------
    label
        1 high, 0 low; patients outside the scenario are not listed.
    given, found
        Probability with the lesion given, and as the node finds it; None where there is none.
    given_by_fold, found_by_fold
        The same from each fold alone.
    """

    patient: str
    label: int
    given: float | None
    found: float | None
    given_by_fold: tuple[float, ...] = ()
    found_by_fold: tuple[float, ...] = ()
    vendor: str = ""
    density: str = ""
    detection: str = ""
    size_mm: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of one bundle on one locked test set.

    Parameters
    ----------
    test_sha256
        Digest of the test images' pixel hashes and labels: two evaluations with one value judged the same images.
    leak_check
        `passed`, or why it could not be made; an evaluation whose test images were trained on is never written.
    figures
        Plain values; see `training.evaluation_figures`.
    sha256
        Digest of all the rest.
    """

    bundle_sha256: str
    bundle_name: str
    bundle_version: str
    synthetic: bool
    scenario: str
    threshold: float
    cohort_sha256: str
    splits_sha256: str
    test_sha256: str
    leak_check: str
    made_at: str
    views: tuple[JudgedView, ...]
    patients: tuple[JudgedPatient, ...]
    figures: dict[str, Any]
    source: dict[str, Any]
    sha256: str = ""


def write_evaluation(path: Path, evaluation: Evaluation) -> Evaluation:
    """Write an evaluation, whole or not at all, and read it back."""
    content = _content(evaluation)
    write_json(path, {**content, "sha256": digest(content)})
    return read_evaluation(path)


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation and check that it is what was written.

    Raises
    ------
    TrainingError
        If it is not there, of another format, or was edited.
    """
    try:
        listed = json.loads(path.read_text(encoding="ascii"))
        told = listed.pop("sha256")
        if listed.pop("format") != EVALUATION_FORMAT:
            raise TrainingError(f"{path} is of another version")
        read = Evaluation(
            **{
                **listed,
                "views": tuple(JudgedView(**_tuples(row)) for row in listed["views"]),
                "patients": tuple(JudgedPatient(**_tuples(row)) for row in listed["patients"]),
                "sha256": told,
            }
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"no readable evaluation at {path}: {type(error).__name__}") from error
    if digest(_content(read)) != told:
        raise TrainingError(f"{path} was edited: its content does not have its hash")
    return read


def digest_of_test_set(rows: Sequence[tuple[str, int]]) -> str:
    """Digest the test images: (hash of the pixels, label) of each, in any order."""
    return digest(sorted([pixels, value] for pixels, value in rows))


def _content(evaluation: Evaluation) -> dict[str, Any]:
    values = asdict(evaluation)
    values.pop("sha256")
    plain: dict[str, Any] = json.loads(json.dumps({"format": EVALUATION_FORMAT, **values}, allow_nan=False))
    return plain


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
