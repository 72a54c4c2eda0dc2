"""Judge a bundle on the held-out test set, and write what came of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dcis_node
from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle, load_bundle
from dcis_node.model.predict import Ensemble
from training.cohort import UNLABELLED, Cohort, CohortView, Scenario, label, patient_labels, read_cohort
from training.evaluation import EVALUATION_NAME, Evaluation, JudgedView, digest_of_test_set, write_evaluation
from training.evaluation_figures import figures_of
from training.images_phantom import is_phantom
from training.judging import PreparedView, judge_view
from training.judging_job import Job, Progress, Row, judge_patients
from training.leaks import leak_check, refuse_other_origin
from training.oracle import oracle_probabilities, with_truth
from training.patients import judge_patients as patients_of
from training.splits import Splits, read_splits
from training.statistics.roc import auroc

WORK_NAME = "work"
# Of every bootstrap: an evaluation made again has the same intervals.
SEED = 1


@dataclass(frozen=True)
class EvaluationRequest:
    """What is judged on what.

    Parameters
    ----------
    bundle, cohort, splits
        Folder, folder, file.
    images
        Where the image files are now, if they were moved.
    champion
        True for a bundle that was made elsewhere: it need not be this cohort's, but must not have seen its test images.
    given_only
        True leaves the sweeps out: minutes instead of hours, and only the paper's half of the figures.
    healthy_patients
        Of so many test patients, the first by key, the views without a lesion are swept; None = of all.
    npv
        What a low call must be worth at the point asked for.
    truth
        `truth.csv` of a synthetic hospital, so that the oracle can tell which phantoms its files are.
    """

    bundle: Path
    cohort: Path
    splits: Path
    images: Path | None = None
    champion: bool = False
    given_only: bool = False
    healthy_patients: int | None = None
    npv: float = 0.909
    truth: Path | None = None


@dataclass(frozen=True, eq=False)
class _TestSet:
    """What was read, and found fit to be judged."""

    cohort: Cohort
    splits: Splits
    bundle: Bundle
    rows: tuple[CohortView, ...]
    checked: str


def evaluate_bundle(
    request: EvaluationRequest, out: Path, *, now: datetime, device: str, processes: int, progress: Progress
) -> Evaluation:
    """Judge the test set and write `evaluation.json`; judged patients are kept in `work` until it is written.

    Parameters
    ----------
    out
        Folder of the evaluation; one that was stopped goes on.
    now
        Time that is written into it.
    processes
        See `training.judging_job`.

    Raises
    ------
    TrainingError
        If there is an evaluation already; if cohort or splits were edited, or the bundle was made from others (but for
        a champion); if a test image was used to make the bundle; if no test patient has a label in the scenario.
    BundleError
        If the bundle does not load.
    """
    if (out / EVALUATION_NAME).exists():
        raise TrainingError(f"{out} holds an evaluation already; it is never changed, give another folder")
    asked = _open(request)
    job = _job(request, asked, device=device, work=out / WORK_NAME)
    judged = judge_patients(job, asked.splits.test, judge=judge_row, processes=processes, progress=progress)
    views = tuple(view_of(row) for row in judged)
    return write_evaluation(out / EVALUATION_NAME, _evaluation(request, asked, views, now=now))


def judge_row(ensemble: Ensemble, view: PreparedView, row: CohortView, sweep: bool) -> Row:  # noqa: FBT001 - a `Judge`
    """Judge a row, see `training.judging.judge_view`: plain values."""
    return asdict(judge_view(ensemble, view, row, sweep=sweep))


def view_of(row: Row) -> JudgedView:
    """Restore what `judge_row` gave."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return JudgedView(**values)


def _open(request: EvaluationRequest) -> _TestSet:
    cohort = read_cohort(request.cohort, images=request.images)
    splits = read_splits(request.splits, cohort)
    bundle = load_bundle(request.bundle)
    if not request.champion:
        refuse_other_origin(bundle, cohort_sha256=cohort.sha256, splits_sha256=splits.sha256)
    rows = _test_rows(cohort, splits, scenario=bundle.scenario)
    return _TestSet(cohort, splits, bundle, rows, leak_check(bundle, rows))


def _test_rows(cohort: Cohort, splits: Splits, *, scenario: str) -> tuple[CohortView, ...]:
    """Give the rows of the test patients; refuse a test set that has nobody to judge."""
    held_out = set(splits.test)
    rows = tuple(row for row in cohort.views if row.patient in held_out)
    if not patient_labels(rows, scenario):
        msg = (
            f"none of the {len(held_out)} test patients has a label in the scenario {scenario}: there is nothing to "
            "judge; allowed is a test set with graded patients"
        )
        raise TrainingError(msg)
    return rows


def _job(request: EvaluationRequest, asked: _TestSet, *, device: str, work: Path) -> Job:
    swept = () if request.given_only else asked.splits.test
    # A slice with None takes all.
    healthy = sorted(swept)[: request.healthy_patients]
    return Job(
        bundle=request.bundle,
        bundle_sha256=asked.bundle.sha256,
        cohort=asked.cohort.folder,
        images=asked.cohort.images,
        cohort_sha256=asked.cohort.sha256,
        work=work,
        device=device,
        swept=frozenset(swept),
        healthy=frozenset(healthy),
    )


def _evaluation(
    request: EvaluationRequest, asked: _TestSet, views: tuple[JudgedView, ...], *, now: datetime
) -> Evaluation:
    bundle, cohort = asked.bundle, asked.cohort
    patients = patients_of(views)
    synthetic = cohort.synthetic or bundle.synthetic
    figures = figures_of(
        views,
        patients,
        data=_words(synthetic=synthetic),
        scenario=bundle.scenario,
        threshold=bundle.threshold,
        npv=chosen_point(bundle, request.npv),
        seed=SEED,
        oracle_auc=oracle_auc(asked.rows, bundle.manifest.scenario, truth=request.truth),
    )
    return Evaluation(
        bundle_sha256=bundle.sha256,
        bundle_name=bundle.name,
        bundle_version=bundle.version,
        synthetic=synthetic,
        scenario=bundle.scenario,
        threshold=bundle.threshold,
        cohort_sha256=cohort.sha256,
        splits_sha256=asked.splits.sha256,
        test_sha256=digest_of_test_set([(row.pixels_sha256, label(row, bundle.scenario)) for row in asked.rows]),
        leak_check=asked.checked,
        made_at=now.isoformat(timespec="seconds"),
        views=views,
        patients=patients,
        figures=figures,
        source=_source(request),
    )


def chosen_point(bundle: Bundle, npv: float) -> dict[str, Any]:
    """Give the threshold that the bundle's calibration side chose for an NPV; never chosen on the test set.

    The calibration side recorded a table of them; the next higher NPV of it is taken.
    """
    table = bundle.training.get("chosen", {}).get("operating_points", [])
    reached = [row for row in table if row["npv"] >= npv]
    if not reached:
        rule = "the bundle's record holds no threshold that was chosen for such an NPV"
        return {"aim": npv, "threshold": None, "rule": rule}
    row = min(reached, key=lambda entry: float(entry["npv"]))
    rule = f"highest threshold with a negative predictive value of at least {row['npv']} on the calibration side"
    return {"aim": npv, "threshold": row["threshold"], "rule": rule}


def oracle_auc(rows: Sequence[CohortView], scenario: Scenario, *, truth: Path | None) -> dict[str, Any] | None:
    """Give the area that the phantoms' oracle reaches on the labelled patients; None where not all are phantoms."""
    labels = patient_labels(rows, scenario)
    lesions = [row for row in rows if label(row, scenario) != UNLABELLED]
    known = with_truth(lesions, truth) if truth else lesions
    if not all(is_phantom(row.file) for row in known):
        return None
    probabilities = oracle_probabilities(known, scenario)
    patients = sorted(labels)
    return auroc([labels[p] for p in patients], [probabilities[p] for p in patients], seed=SEED).to_json()


def _words(*, synthetic: bool) -> str:
    if synthetic:
        return "synthetic phantoms are part of it; held-out test set; never a clinical figure"
    return "held-out test set; research use only"


def _source(request: EvaluationRequest) -> dict[str, Any]:
    return {
        "tool": "dcis-train evaluate",
        "champion": request.champion,
        "given_only": request.given_only,
        "healthy_patients": request.healthy_patients,
        "bootstrap_seed": SEED,
        "software": {"dcis-node": dcis_node.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }
