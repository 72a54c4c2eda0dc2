"""Make the report and the card from what lies on disk."""

import platform
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import dcis_node
from dcis_node.errors import TrainingError
from dcis_node.model.bundle import load_bundle
from dcis_node.model.device import choose_device
from dcis_node.model.predict import Ensemble
from training.card import evaluation_card
from training.cohort import read_cohort
from training.evaluation import EVALUATION_NAME, Evaluation, read_evaluation
from training.images import load_view
from training.report.case_figure import case_figure
from training.report.cases import Case, choose_cases
from training.report.page import ReportSource, refuse_strangers, render
from training.run import open_run

# Hands the cases on one by one, and may show how far it is.
Follow = Callable[[Sequence[Case]], Iterable[Case]]

_PACKAGES = ("jinja2", "matplotlib", "numpy", "scikit-learn", "scipy", "torch")


def write_report(
    evaluation: Path,
    *,
    run: Path,
    cohort: Path,
    bundle: Path,
    out: Path,
    card: Path,
    cases: int,
    device: str,
    now: datetime,
    follow: Follow = iter,
) -> Evaluation:
    """Write both files, whole or not at all.

    Parameters
    ----------
    evaluation, run, cohort, bundle
        Where they are.
    out, card
        The HTML and the Markdown; replaced if they exist.
    cases
        How many of the worst cases are drawn, at most.
    device
        `auto`, `cpu` or `cuda`.
    now
        Date of both.

    Raises
    ------
    TrainingError
        If something cannot be read or does not belong to the rest, or no such device is there.
    BundleError
        If the bundle does not load.
    """
    path = evaluation / EVALUATION_NAME if evaluation.is_dir() else evaluation
    source = ReportSource(read_evaluation(path), open_run(run), read_cohort(cohort), load_bundle(bundle))
    refuse_strangers(source)
    chosen = choose_cases(source.evaluation, count=cases)
    try:
        ensemble = Ensemble(source.bundle, choose_device(device))
    except ValueError as error:
        raise TrainingError(str(error)) from error
    pictures = [(case, case_figure(case, source.cohort, ensemble=ensemble, load=load_view)) for case in follow(chosen)]
    made_at = now.isoformat(timespec="seconds")
    page = render(source, cases=pictures, made_at=made_at, software=_software())
    _write(card, evaluation_card(source.evaluation, source.bundle, cohort=source.cohort, made_at=made_at))
    _write(out, page)
    return source.evaluation


def _software() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "dcis-node": dcis_node.__version__,
        **{name: version(name) for name in _PACKAGES},
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="ascii")
    part.replace(path)
