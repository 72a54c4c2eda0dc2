"""Model card: what a bundle is, what it is for and what it is not, what it was made from, what it reached."""

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle
from training.cohort import Cohort
from training.evaluation import Evaluation
from training.report import paper
from training.report.facts import identity
from training.report.limits import limits
from training.report.numbers import number
from training.report.summary import localisation_table, npv_sentence, oracle_sentence, subgroup_table, summary_table

_USE = (
    "Research on whether a mammogram tells low-risk from high-risk DCIS in women with biopsy-proven DCIS who may join "
    "an active-surveillance trial: views taken before the biopsy, calcifications only. Not for screening, not for "
    "patients without a biopsy, not for any decision on a patient."
)


def evaluation_card(evaluation: Evaluation, bundle: Bundle, *, cohort: Cohort, made_at: str) -> str:
    """Give the card as Markdown in ASCII.

    Parameters
    ----------
    cohort
        Whose patients trained and tested the bundle.
    made_at
        Date of the card, as it is to be shown.

    Raises
    ------
    TrainingError
        If the evaluation is of another bundle or cohort.
    """
    for name, there, told in (
        ("bundle", bundle.sha256, evaluation.bundle_sha256),
        ("cohort", cohort.sha256, evaluation.cohort_sha256),
    ):
        if there != told:
            raise TrainingError(f"the {name} is {there[:12]}, but the evaluation is of {told[:12]}")
    figures = evaluation.figures
    tables = (summary_table(evaluation), localisation_table(figures), subgroup_table(figures))
    text = _template().render(
        name=bundle.name,
        version=bundle.version,
        synthetic=evaluation.synthetic or bundle.synthetic,
        made_at=made_at,
        evaluated_at=evaluation.made_at,
        facts=_facts(bundle),
        use=_USE,
        data=_data(cohort, bundle),
        comparison=paper.comparison(synthetic=evaluation.synthetic),
        tables=[table for table in tables if table],
        sentences=[sentence for sentence in (npv_sentence(figures), oracle_sentence(figures)) if sentence],
        limits=limits(synthetic=evaluation.synthetic),
        hashes=identity(evaluation),
    )
    return text.encode("ascii", "replace").decode("ascii")


def _template() -> Template:
    # Markdown, not HTML: `cell` takes what could break a table or become markup.
    environment = Environment(
        loader=PackageLoader("training.report"),
        autoescape=False,  # noqa: S701 - every value goes through `cell`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment.get_template("model-card.md.j2")


def _cell(value: object) -> str:
    """Give one line that is nothing but text within a Markdown table."""
    text = " ".join(str(value).split())
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("[", "&#91;"), ("`", "'")):
        text = text.replace(sign, shown)
    return text


def _facts(bundle: Bundle) -> tuple[tuple[str, str], ...]:
    network, preprocessing = bundle.network, bundle.preprocessing
    spacing = preprocessing.input_spacing_mm
    pixels = f"of {spacing} mm, display values averaged over their area" if spacing else "as stored"
    layout = f"width {network.width}, depth {network.depth}, {network.norm} norm"
    return (
        ("task", f"outline of the calcified region; probability of high risk, scenario {bundle.scenario}"),
        ("positive against negative", paper.TASKS[bundle.scenario]),
        ("network", f"U-Net with a classification branch, {layout}; {len(bundle.folds)} folds, averaged"),
        ("input", f"{preprocessing.crop_px} x {preprocessing.crop_px} pixels {pixels}"),
        ("operating point", f"{number(bundle.threshold)} on the calibrated probability{_rule(bundle.training)}"),
    )


def _data(cohort: Cohort, bundle: Bundle) -> tuple[tuple[str, str], ...]:
    patients = {view.patient for view in cohort.views}
    annotations = sorted({view.annotation for view in cohort.views if view.annotation})
    vendors = sorted({view.vendor or "unknown" for view in cohort.views})
    return (
        ("cohort", f"{len(patients)} patients, {len(cohort.views)} views{' (synthetic phantoms)' * cohort.synthetic}"),
        ("detectors", ", ".join(vendors)),
        ("annotations", ", ".join(annotations) or "none"),
        ("training record", _record(bundle.training)),
    )


def _record(training: dict[str, Any]) -> str:
    recipe = training.get("recipe")
    name = recipe.get("name") if isinstance(recipe, dict) else recipe
    folds = [fold for fold in training.get("folds") or () if isinstance(fold, dict)]
    parts = (
        f"recipe {name}" if name else "",
        f"seed {training['seed']}" if "seed" in training else "",
        f"validation AUC of the folds {_values(folds, 'patient_auc')}" if folds else "",
        f"validation Dice {_values(folds, 'dice')}" if folds else "",
        "from pretrained weights" if training.get("pretrained") else "",
    )
    return ", ".join(part for part in parts if part) or "in the manifest"


def _values(folds: Sequence[dict[str, Any]], name: str) -> str:
    return " / ".join(number(fold.get(name)) for fold in folds)


def _rule(training: dict[str, Any]) -> str:
    """Say by which rule the operating point was chosen; "" where the record does not."""
    rule = (training.get("chosen") or {}).get("rule")
    return f": {rule}, chosen on other patients than the test's" if rule else ""
