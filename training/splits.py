"""Who trains, who validates, who tests: always by patient, stratified by grade, seeded, written once.

`splits.json` knows its own hash and its cohort's. It is refused when it was edited, when it belongs to another cohort,
and when a patient, or equal pixels, would stand on two sides.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from training.cohort import Cohort
from training.files import write_json
from training.stratify import Pathology, deal, draw_share, patient_pathology, strata

SPLITS_FORMAT = "dcis-splits/1"
# Independent streams of one seed: more folds, or no calibration group, leave the test set as it is.
_TEST, _CALIBRATION, _FOLDS = 0, 1, 2
# A part of a grade this large is stratified by upstaging too: each side then gets one at 20 %.
_LEAST_UPSTAGED = 8


@dataclass(frozen=True)
class Fold:
    """The patients of one fold."""

    training: tuple[str, ...]
    validation: tuple[str, ...]


@dataclass(frozen=True)
class Splits:
    """Who stands where, for one cohort.

    Parameters
    ----------
    kind
        `repeated`: each fold is a random draw of its own, as the paper; `kfold`: the validation sets are disjoint.
    seed, shares
        What it was drawn with: `test` of the graded patients, `calibration` of those left, `validation` of those left
        then (repeated folds only).
    cohort_sha256
        The cohort's identity.
    test, calibration
        Held out from all folds; () if none.
    folds
        () if all graded patients are test.
    patients
        Every patient of the cohort -> digest of the pixel hashes of all their images.
    sha256
        Digest of all the rest; "" before it is written.
    """

    kind: Literal["repeated", "kfold"]
    seed: int
    shares: dict[str, float]
    cohort_sha256: str
    test: tuple[str, ...]
    calibration: tuple[str, ...]
    folds: tuple[Fold, ...]
    patients: dict[str, str]
    sha256: str = ""


def draw_splits(
    cohort: Cohort,
    *,
    seed: int,
    folds: int = 5,
    test_share: float = 0.2,
    validation_share: float = 0.2,
    calibration_share: float = 0.0,
    kfold: bool = False,
) -> Splits:
    """Draw the test set, the calibration group and the folds of a cohort.

    Stratified by grade, and by upstaging where a grade has enough of both. A patient has all views on one side.
    Patients without any grade are never tested, calibrated or validated on: they train, in every fold.

    Parameters
    ----------
    seed
        Equal seeds and settings give equal splits, whatever the order of the rows.
    folds
        1 or more; 2 or more with `kfold`.
    test_share
        Of the graded patients, 0 to 1. 0: no test set. 1: all graded patients are test, a locked external test set.
    validation_share, calibration_share
        Of those left; between 0 and 1, a calibration share of 0 for no such group.
    kfold
        Disjoint validation sets instead of repeated draws.

    Raises
    ------
    TrainingError
        If a share or the number of folds is not allowed, a grade has too few patients, a row has no hash of its
        pixels, two patients share equal pixels, or a patient has two grades.
    """
    _check_settings(folds, test_share, validation_share, calibration_share, kfold=kfold)
    refuse_shared_pixels(cohort)
    pathology = patient_pathology(cohort.views)
    if not pathology:
        raise TrainingError("no patient of the cohort has a grade: there is nothing to stratify by, or to test on")
    named = strata(pathology, least=_LEAST_UPSTAGED)
    test, left = _draw(named, test_share, np.random.default_rng((seed, _TEST)))
    calibration, left = _draw(_only(named, left), calibration_share, np.random.default_rng((seed, _CALIBRATION)))
    ungraded = sorted({view.patient for view in cohort.views} - set(pathology))
    splits = Splits(
        kind="kfold" if kfold else "repeated",
        seed=seed,
        shares={"test": test_share, "calibration": calibration_share, "validation": validation_share},
        cohort_sha256=cohort.sha256,
        test=test,
        calibration=calibration,
        folds=_folds(_only(named, left), ungraded, folds, None if kfold else validation_share, seed),
        patients=patient_digests(cohort),
    )
    _refuse_few(splits, pathology)
    return splits


def patient_digests(cohort: Cohort) -> dict[str, str]:
    """Give each patient's digest: of the pixel hashes of all their images, in any order."""
    pixels: dict[str, list[str]] = {}
    for view in cohort.views:
        pixels.setdefault(view.patient, []).append(view.pixels_sha256)
    return {patient: digest(sorted(pixels[patient])) for patient in sorted(pixels)}


def refuse_shared_pixels(cohort: Cohort) -> None:
    """Check that no two patients have an image with equal pixels, and that all pixels have a hash.

    Raises
    ------
    TrainingError
        Naming the two rows: one of the two patients is the other under a second key, or a file was resent.
    """
    first: dict[str, tuple[str, str]] = {}
    for view in cohort.views:
        if not view.pixels_sha256:
            raise TrainingError(f"row {view.image} has no hash of its pixels: equal images could not be told")
        patient, image = first.setdefault(view.pixels_sha256, (view.patient, view.image))
        if patient != view.patient:
            msg = (
                f"{image} of patient {patient} and {view.image} of patient {view.patient} have equal pixels: "
                "import them as one patient, or leave one out"
            )
            raise TrainingError(msg)


def write_splits(path: Path, splits: Splits) -> Splits:
    """Write the splits, once, and give them with their hash.

    Raises
    ------
    TrainingError
        If there is such a file already.
    """
    if path.exists():
        raise TrainingError(f"{path} exists already; splits are never changed, name another file")
    content = _content(splits)
    listed = {**content, "sha256": digest(content)}
    write_json(path, listed)
    return replace(splits, sha256=listed["sha256"])


def read_splits(path: Path, cohort: Cohort) -> Splits:
    """Read the splits of a cohort and check them against it.

    Raises
    ------
    TrainingError
        If the file is not there, was edited, belongs to another cohort, or has a patient or equal pixels on two sides.
    """
    splits = _read(path)
    if splits.cohort_sha256 != cohort.sha256:
        msg = (
            f"{path} was drawn for cohort {splits.cohort_sha256[:12]}, not for {cohort.sha256[:12]} in {cohort.folder}"
        )
        raise TrainingError(msg)
    if splits.patients != patient_digests(cohort):
        raise TrainingError(f"{path} and the cohort disagree about the patients or their images")
    refuse_shared_pixels(cohort)
    refuse_leaks(splits)
    return splits


def refuse_leaks(splits: Splits) -> None:
    """Check that no patient stands on two sides, and that all are known.

    Raises
    ------
    TrainingError
        Naming the two sides and how many patients they share, or the side with unknown patients.
    """
    held_out = {"test": splits.test, "calibration": splits.calibration}
    for number, fold in enumerate(splits.folds, start=1):
        sides = held_out | {
            f"training of fold {number}": fold.training,
            f"validation of fold {number}": fold.validation,
        }
        refuse_overlap(sides)
        for name, patients in sides.items():
            unknown = set(patients) - set(splits.patients)
            if unknown:
                raise TrainingError(f"{name} has {len(unknown)} patients that the cohort does not have")
    refuse_overlap(held_out)
    if splits.kind == "kfold":
        refuse_overlap({f"validation of fold {n}": fold.validation for n, fold in enumerate(splits.folds, start=1)})


def side_counts(cohort: Cohort, splits: Splits) -> dict[str, dict[str, int]]:
    """Count the patients of each side: `patients`, `grade 1` ... `grade 3`, `upstaged`, `ungraded`, and `images`."""
    pathology = patient_pathology(cohort.views)
    sides: dict[str, Iterable[str]] = {"test": splits.test, "calibration": splits.calibration}
    for number, fold in enumerate(splits.folds, start=1):
        sides |= {f"fold {number} training": fold.training, f"fold {number} validation": fold.validation}
    return {name: _count(cohort, pathology, set(patients)) for name, patients in sides.items()}


def _count(cohort: Cohort, pathology: Mapping[str, Pathology], patients: set[str]) -> dict[str, int]:
    graded = [pathology[patient] for patient in patients if patient in pathology]
    counts = {"patients": len(patients)}
    counts |= {f"grade {grade}": sum(value == grade for value, _ in graded) for grade in (1, 2, 3)}
    counts |= {"upstaged": sum(up for _, up in graded), "ungraded": len(patients) - len(graded)}
    return counts | {"images": sum(view.patient in patients for view in cohort.views)}


def _check_settings(folds: int, test: float, validation: float, calibration: float, *, kfold: bool) -> None:
    least = 2 if kfold else 1
    if not least <= folds <= 20:
        raise TrainingError(f"{folds} folds: {least} to 20 are allowed")
    if not 0.0 <= test <= 1.0:
        raise TrainingError(f"test share {test}: 0 to 1 is allowed")
    if not 0.0 < validation < 1.0:
        raise TrainingError(f"validation share {validation}: more than 0 and less than 1 is allowed")
    if not 0.0 <= calibration < 1.0 or (test == 1.0 and calibration):
        raise TrainingError(f"calibration share {calibration}: 0 to less than 1 is allowed, and 0 where all is test")


def _only(named: Mapping[str, str], patients: Iterable[str]) -> dict[str, str]:
    return {patient: named[patient] for patient in patients}


def _draw(named: Mapping[str, str], share: float, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if share in (0.0, 1.0):
        everybody = tuple(sorted(named))
        return (everybody, ()) if share else ((), everybody)
    return draw_share(named, share, rng)


def _folds(
    named: Mapping[str, str], ungraded: Sequence[str], folds: int, share: float | None, seed: int
) -> tuple[Fold, ...]:
    """Draw the folds of those left; without a share their validation sets are disjoint."""
    if not named:
        return ()
    if share is None:
        validations = deal(named, folds, np.random.default_rng((seed, _FOLDS)))
    else:
        validations = [draw_share(named, share, np.random.default_rng((seed, _FOLDS, n)))[0] for n in range(folds)]
    return tuple(Fold(tuple(sorted({*named, *ungraded} - set(held))), held) for held in validations)


def _refuse_few(splits: Splits, pathology: Mapping[str, Pathology]) -> None:
    sides = {"the test set": splits.test} if splits.shares["test"] else {}
    sides |= {"the calibration group": splits.calibration} if splits.shares["calibration"] else {}
    for number, fold in enumerate(splits.folds, start=1):
        sides |= {f"the training of fold {number}": fold.training, f"the validation of fold {number}": fold.validation}
    counts = {grade: sum(value == grade for value, _ in pathology.values()) for grade in (1, 2, 3)}
    for name, patients in sides.items():
        present = {pathology[patient][0] for patient in patients if patient in pathology}
        for grade, count in counts.items():
            if count and grade not in present:
                told = ", ".join(f"grade {value}: {number}" for value, number in counts.items())
                raise TrainingError(f"too few patients of grade {grade} (there are {told}): none is left for {name}")


def _content(splits: Splits) -> dict[str, Any]:
    values = asdict(splits)
    values.pop("sha256")
    plain: dict[str, Any] = json.loads(json.dumps({"format": SPLITS_FORMAT, **values}, allow_nan=False))
    return plain


def _read(path: Path) -> Splits:
    try:
        listed = json.loads(path.read_text(encoding="ascii"))
        told = listed.pop("sha256")
        if listed.pop("format") != SPLITS_FORMAT or digest({"format": SPLITS_FORMAT, **listed}) != told:
            raise TrainingError(f"{path} was edited, or is of another version: its content does not have its hash")
        folds = tuple(Fold(tuple(fold["training"]), tuple(fold["validation"])) for fold in listed["folds"])
        tuples = {"folds": folds, "test": tuple(listed["test"]), "calibration": tuple(listed["calibration"])}
        return Splits(**{**listed, **tuples, "sha256": told})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"no readable splits at {path}: {type(error).__name__}") from error


def refuse_overlap(groups: Mapping[str, Sequence[str]]) -> None:
    """Check that no patient stands in two groups.

    Raises
    ------
    TrainingError
        Naming the two groups and how many patients they share.
    """
    names = sorted(groups)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = set(groups[first]) & set(groups[second])
            if shared:
                msg = f"{first} and {second} share {len(shared)} patients"
                raise TrainingError(msg)
