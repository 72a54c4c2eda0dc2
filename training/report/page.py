"""The page: every section in the order in which a researcher asks, rendered into one file that needs no other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle
from training.cohort import Cohort
from training.evaluation import Evaluation
from training.report import epochs, paper
from training.report.calibration_figure import calibration_figure
from training.report.cases import TITLES, Case
from training.report.cohort_table import cohort_table, detector_table
from training.report.confusion_figure import confusion_figure
from training.report.decision_figure import decision_figure
from training.report.dice_figure import dice_figure, examples_figure
from training.report.facts import identity, made_with
from training.report.flow_figure import exclusion_table, flow_figure
from training.report.limits import limits
from training.report.parts import Part, Section, facts, heading, listed, pictured, section, tabled, text
from training.report.readings import Reading, readings
from training.report.roc_figure import roc_figure
from training.report.style import Picture
from training.report.subgroup_figure import subgroup_figure
from training.report.summary import (
    fold_table,
    localisation_table,
    npv_sentence,
    oracle_sentence,
    overall,
    subgroup_table,
    summary_table,
)
from training.run import Run

_ONE_CLASS = "The test patients with a figure are all of one class, so there is no curve."


@dataclass(frozen=True, eq=False)
class ReportSource:
    """What a report is made of; `refuse_strangers` checks that it belongs together."""

    evaluation: Evaluation
    run: Run
    cohort: Cohort
    bundle: Bundle


def refuse_strangers(source: ReportSource) -> None:
    """Check that evaluation, bundle, cohort and run are of one making.

    Raises
    ------
    TrainingError
        If the evaluation is of another bundle or cohort, or the bundle was made from another run. It names which.
    """
    evaluation, run, record = source.evaluation, source.run, source.bundle.training
    pairs = (
        ("the bundle", source.bundle.sha256, "the evaluation's", evaluation.bundle_sha256),
        ("the cohort", source.cohort.sha256, "the evaluation's", evaluation.cohort_sha256),
        ("the run's cohort", run.cohort_sha256, "the bundle's", record.get("cohort_sha256")),
        ("the run's splits", run.splits_sha256, "the bundle's", record.get("splits_sha256")),
        ("the run's seed", run.seed, "the bundle's", record.get("seed")),
        ("the run's recipe", digest(run.recipe.to_json()), "the bundle's", digest(record.get("recipe"))),
    )
    for name, there, whose, told in pairs:
        if there != told:
            raise TrainingError(
                f"{name} is {str(there)[:12]}, but {whose} is {str(told)[:12]}: they do not belong together"
            )


def render(
    source: ReportSource,
    *,
    cases: Sequence[tuple[Case, Picture]],
    made_at: str,
    software: Mapping[str, str],
) -> str:
    """Render the page.

    Parameters
    ----------
    cases
        To look at, with their pictures; see `training.report.cases`.
    made_at
        Date of the report, as it is to be shown.
    software
        Versions of what made it, by name.

    Returns
    -------
    HTML in ASCII: no script, nothing from outside, every text escaped.
    """
    environment = Environment(
        loader=PackageLoader("training.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    evaluation = source.evaluation
    page = environment.get_template("report.html.j2").render(
        title=f"{evaluation.bundle_name} {evaluation.bundle_version}: report",
        task=f"Scenario {evaluation.scenario}: {paper.TASKS[evaluation.scenario]}",
        synthetic=evaluation.synthetic,
        made_at=made_at,
        evaluation=evaluation,
        sections=sections(source, cases=cases, software=software),
    )
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def sections(
    source: ReportSource, *, cases: Sequence[tuple[Case, Picture]], software: Mapping[str, str]
) -> tuple[Section, ...]:
    """Give the chapters."""
    evaluation = source.evaluation
    read = readings(evaluation)
    # A curve needs patients of both classes.
    drawn = tuple(reading for reading in read if reading.both_classes and reading.figures["auc"])
    return (
        _summary(evaluation),
        section("roc", "ROC curves", _curve(drawn, roc_figure(drawn) if drawn else None)),
        section("confusion", "Confusion matrices", pictured(confusion_figure(read) if read else None)),
        section("calibration", "Calibration", _curve(drawn, calibration_figure(drawn) if drawn else None)),
        section("decision", "Decision curve", _curve(drawn, decision_figure(drawn) if drawn else None)),
        _learning(source.run),
        _localisation(evaluation),
        _folds(evaluation, source.run),
        _subgroups(evaluation, read),
        _cases(cases, evaluation),
        _cohort(source.cohort),
        _flow(source.cohort),
        section("limits", "Limits", listed(limits(synthetic=evaluation.synthetic))),
        section("making", "How it was made", *_making(source, software)),
    )


def _summary(evaluation: Evaluation) -> Section:
    figures = evaluation.figures
    return section(
        "summary",
        "Summary",
        text(paper.comparison(synthetic=evaluation.synthetic)),
        tabled(summary_table(evaluation)),
        text(npv_sentence(figures)),
        text(oracle_sentence(figures)),
        text(f"Data: {figures['data']}." if figures.get("data") else ""),
    )


def _curve(drawn: Sequence[Reading], picture: Picture | None) -> Part | None:
    return pictured(picture) if drawn else text(_ONE_CLASS)


def _learning(run: Run) -> Section:
    folders = epochs.fold_folders(run.folder)
    folds = [rows for folder in folders if (rows := epochs.read_epochs(folder))]
    if not folds:
        return section("learning", "Dice by epoch", text("The run's folder has no figures by epoch."))
    examples = epochs.read_examples(folders[0], folds[0])
    return section(
        "learning",
        "Dice by epoch",
        pictured(dice_figure(folds)),
        pictured(examples_figure(examples) if examples else None),
    )


def _localisation(evaluation: Evaluation) -> Section:
    shown = localisation_table(evaluation.figures)
    missing = (
        None if shown else text("No whole view was swept, so nothing is known of where the lesion would be found.")
    )
    return section("localisation", "Localisation", tabled(shown), missing)


def _folds(evaluation: Evaluation, run: Run) -> Section:
    done = [run.done(number) for number in run.numbers]
    return section("folds", "Each fold", tabled(fold_table(evaluation, done)))


def _subgroups(evaluation: Evaluation, read: Sequence[Reading]) -> Section:
    shown = subgroup_table(evaluation.figures)
    if shown is None:
        return section("subgroups", "Subgroups", text("There are none."))
    picture = subgroup_figure(evaluation.figures["subgroups"], overall=overall(read))
    return section("subgroups", "Subgroups", pictured(picture), tabled(shown))


def _cases(cases: Sequence[tuple[Case, Picture]], evaluation: Evaluation) -> Section:
    told = (
        "The cases in which the bundle is most wrong, drawn again from the images by the bundle itself; patients and "
        f"views by their keys in the cohort. Called high from {evaluation.threshold:.3f} on."
    )
    parts: list[Part | None] = [text(told if cases else "No case was drawn.")]
    for kind, title in TITLES.items():
        pictures = [picture for case, picture in cases if case.kind == kind]
        if pictures:
            parts += [heading(title[0].upper() + title[1:]), *(pictured(picture) for picture in pictures)]
    return section("cases", "Worst cases", *parts)


def _cohort(cohort: Cohort) -> Section:
    words = "The paper's column holds its own 464 clinical patients"
    told = f"{words}; phantoms are not to be compared with them." if cohort.synthetic else f"{words}."
    return section("cohort", "Cohort", text(told), tabled(cohort_table(cohort)), tabled(detector_table(cohort)))


def _flow(cohort: Cohort) -> Section:
    if not cohort.flow:
        return section("flow", "Flow of patients", text("The cohort has no record of how it was chosen."))
    return section(
        "flow", "Flow of patients", pictured(flow_figure(cohort.flow)), tabled(exclusion_table(cohort.exclusions))
    )


def _making(source: ReportSource, software: Mapping[str, str]) -> tuple[Part | None, ...]:
    return (
        text(
            "Each of these hashes covers the thing whole; with the files of these hashes, every figure is made again."
        ),
        facts(identity(source.evaluation, source.run)),
        heading("Software and settings"),
        facts(made_with(source.evaluation, source.run, software)),
    )
