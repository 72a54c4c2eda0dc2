"""The readable report is whole, and its figures are those of the answer."""

import re
from collections.abc import Iterable

from pydicom import Dataset

from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import Risk
from dcis_node.results.answer import ExamAnswer
from dcis_node.results.check.reading import content, demand, demand_in_order, named, spoken
from dcis_node.results.hanging import hung
from dcis_node.results.identity import RESEARCH_USE, SYNTHETIC_MODEL

IMPRESSIONS, FINDINGS, PROCEDURE = "19005-8", "59776-5", "55111-9"
# Language first, then the sections in the order in which they are read.
_SECTIONS = (
    ("121049", "HAS CONCEPT MOD", "CODE"),
    *((section, "CONTAINS", "CONTAINER") for section in (IMPRESSIONS, FINDINGS, PROCEDURE)),
)
_FIGURE = re.compile(r"(\d+(?:\.\d+)?) %")
# Half of the last digit that is written, and what binary fractions add.
_HALF_A_DIGIT = 0.0501
# What is written of a probability never claims certainty.
_LEAST, _MOST = 0.1, 99.9


def check_readable(ds: Dataset, answer: ExamAnswer) -> None:
    """Demand what a person must find in the readable report; more may stand in it.

    Raises
    ------
    ResultError
        At the first thing that is missing or says another figure.
    """
    demand(str(ds.ConceptNameCodeSequence[0].CodeValue) == "18748-4", "the readable report has another title")
    demand_in_order(ds, _SECTIONS, "the readable report")
    impressions, findings = (spoken(named(ds, section)[0]) for section in (IMPRESSIONS, FINDINGS))
    _check_impressions(impressions, answer)
    _check_findings(findings, answer)
    _check_left_out(ds, answer)
    procedure = " ".join(spoken(named(ds, PROCEDURE)[0]))
    demand(answer.model.sha256[:12] in procedure, "the readable report does not name the bundle")
    told = answer.version == 1 or f"ersion {answer.version}" in " ".join(spoken(ds))
    demand(told, "the readable report does not name its version")


def _check_impressions(impressions: list[str], answer: ExamAnswer) -> None:
    demand(impressions[0].startswith(RESEARCH_USE), "the readable report does not begin with what it is for")
    synthetic = not answer.model.synthetic or SYNTHETIC_MODEL in impressions[0]
    demand(synthetic, "the readable report does not say that its model is synthetic")
    decision = answer.decision
    if decision.probability is not None:
        figures = decision.probability, decision.threshold
        demand(says(impressions, figures), "the headline has another figure than the decision")
    words = {Risk.NOT_ANALYSED: "not analysed", Risk.NO_LESION: "no calcifications"}.get(decision.risk, "")
    demand(words in " ".join(impressions).lower(), "the headline has another result than the decision")


def _check_findings(findings: list[str], answer: ExamAnswer) -> None:
    breasts = [b.probability for b in answer.decision.breasts]
    views = [i.prediction.probability for i in hung(answer) if i.prediction is not None]
    figures = [p for p in (*breasts, *views) if p is not None]
    demand(says(findings, figures), "the findings lack the figure of a breast or a view")
    demand(len(findings) >= len(breasts) + len(views), "the findings lack a breast or a view")


def _check_left_out(ds: Dataset, answer: ExamAnswer) -> None:
    """Demand the stable name of the reason of each image that was not used; a used mark's carrier was used."""
    used = {i.mark.source.sop_instance_uid for i in hung(answer) if i.mark is not None}
    said = " ".join((*spoken(ds), *_coded_values(ds))).lower()
    for image in hung(answer):
        if image.reason is not Reason.ELIGIBLE and image.header.sop_instance_uid not in used:
            named_there = image.reason.value in said
            demand(named_there, f"no reason is given for leaving out {image.header.sop_instance_uid}")


def _coded_values(ds: Dataset) -> list[str]:
    return [str(c.ConceptCodeSequence[0].CodeValue) for c in content(ds) if "ConceptCodeSequence" in c]


def says(texts: Iterable[str], probabilities: Iterable[float]) -> bool:
    """Tell if texts say each probability as a percentage, rounded to the last digit that they write."""
    said = [float(figure) for text in texts for figure in _FIGURE.findall(text)]
    wanted = [min(max(100 * probability, _LEAST), _MOST) for probability in probabilities]
    return all(any(abs(figure - value) <= _HALF_A_DIGIT for figure in said) for value in wanted)
