"""The sentences of the results: plain words for a radiologist, ASCII, one idea each. No identity of a patient."""

from collections import defaultdict

from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import BreastDecision, LesionSource, Risk
from dcis_node.results.answer import AskedFor, ExamAnswer, SourceImage
from dcis_node.results.hanging import hung, unused_images, view_labels, view_name
from dcis_node.results.identity import RESEARCH_USE, SYNTHETIC_MODEL, in_zone_of, made_at, model_line, plain
from dcis_node.results.lesion import Lesion
from dcis_node.results.reasons import because, in_words

SIDES = {"R": "Right breast", "L": "Left breast"}

# What the outcome stands for: method.md of the paper, the surgical specimen being the truth.
HIGH_RISK = {
    "grade": "High risk means DCIS of grade III in the surgical specimen.",
    "upstage": "High risk means DCIS of grade III, or invasive cancer beside the DCIS, in the surgical specimen.",
}
PREMISE = "The figure holds only for calcifications that a biopsy has shown to be DCIS; it is no probability of cancer."

FLAGS = {
    "views_disagree": "the two views disagree",
    "folds_disagree": "the networks of the ensemble disagree",
    "no_standard_view": "no CC or MLO view was analysed, other views were used",
    "single_view": "only one standard view was analysed",
}

MARK_KINDS = {
    "seg": "a DICOM segmentation",
    "sr_scoord": "a region in a structured report",
    "cad_sr": "a mark of a mammography CAD report",
    "gsps": "a graphic in a presentation state",
}


# The views of a screening exam, as they hang.
STANDARD_VIEWS = ("R CC", "L CC", "R MLO", "L MLO")

MOST_PRIORS = 5
# Images that one sentence names: the rest is counted, so that the reason behind them is never cut off.
MOST_NAMED = 20

# Beyond these a figure with one decimal would claim certainty.
_LEAST, _MOST = 0.001, 0.999


def percent(probability: float) -> str:
    """Write a probability as `62.3 %`; never as 0.0 % or 100.0 %, which no model can know."""
    if probability < _LEAST:
        return "<0.1 %"
    return ">99.9 %" if probability > _MOST else f"{100 * probability:.1f} %"


def banner(answer: ExamAnswer) -> str:
    """Say what the result may not be used for; stands first, and in every object."""
    return f"{RESEARCH_USE}. {SYNTHETIC_MODEL}." if answer.model.synthetic else f"{RESEARCH_USE}."


def headline(answer: ExamAnswer) -> str:
    """Say the result of the exam in one or two sentences."""
    decision = answer.decision
    if decision.risk is Risk.NOT_ANALYSED:
        reasons = [image.reason for image in unused_images(answer)]
        return f"Not analysed: because {because(reasons, whole=True)}." if reasons else "Not analysed."
    if decision.probability is None:
        return "No calcifications were found in the analysed views, so there is no probability of high-risk DCIS."
    found = any(i.outlined for i in answer.images)
    begin = "Calcifications were outlined." if found else "No calcifications were outlined at the given mark."
    threshold = percent(decision.threshold)
    return (
        f"{begin} The probability of high-risk DCIS is {percent(decision.probability)}, "
        f"{_place(decision.probability, decision.threshold, decision.risk)} the threshold of {threshold}."
    )


def _place(probability: float, threshold: float, risk: Risk) -> str:
    """Say on which side of the threshold a figure lies, also where both are written alike."""
    if risk is Risk.HIGH:
        return "at or above"
    return "just below" if percent(probability) == percent(threshold) else "below"


def partly_sentence(answer: ExamAnswer) -> str:
    """Say that a part of an analysed exam was not used, and why; "" where all was used or nothing."""
    reasons = [image.reason for image in unused_images(answer)]
    if not reasons or answer.decision.risk is Risk.NOT_ANALYSED:
        return ""
    return f"Not everything was used: {because(reasons, whole=False)}."


def operating_sentence(answer: ExamAnswer) -> str:
    """Say what the threshold gave, and on which patients it was measured."""
    model, point = answer.model, answer.model.operating
    if point is None:
        return "How sensitive and how specific the model is at this threshold is not known."
    patients = "synthetic patients (phantoms)" if model.synthetic else "patients"
    measured = f"measured on {point.patients} {patients}" if point.patients else f"measured on {patients}"
    data = f": {plain(point.data).rstrip('.')}" if point.data else ""
    return (
        f"At the threshold of {percent(model.threshold)} the sensitivity for high risk is "
        f"{100 * point.sensitivity:.1f} % and the specificity {100 * point.specificity:.1f} %, {measured}{data}."
    )


def views_sentence(answer: ExamAnswer) -> str:
    """Say which views were analysed, and which of the four standard views were not."""
    labels = view_labels(answer)
    analysed = [labels[i.header.sop_instance_uid] for i in hung(answer) if i.prediction is not None]
    if not analysed:
        return "No view was analysed."
    names = {view_name(i) for i in hung(answer) if i.prediction is not None}
    missing = [view for view in STANDARD_VIEWS if view not in names]
    lacking = f" Not analysed of the {in_words(len(STANDARD_VIEWS))} standard views: {', '.join(missing)}."
    return f"Views analysed: {', '.join(analysed)}.{lacking if missing else ''}"


def meaning(answer: ExamAnswer) -> str:
    """Say what the figure means, and of whom."""
    return f"{HIGH_RISK.get(answer.model.scenario, '')} {PREMISE}".strip()


def breast_sentence(breast: BreastDecision) -> str:
    """Say the figure of one breast, from which views, and what to mind."""
    side = SIDES.get(breast.laterality, "Breast of unknown side")
    if breast.risk is Risk.NOT_ANALYSED:
        return f"{side}: not analysed."
    if breast.probability is None:
        return " ".join([f"{side}: no calcifications found.", *flag_sentences(breast.flags)])
    views = " and ".join(plain(view) for view in breast.views)
    mean = "mean of" if len(breast.views) > 1 else "from"
    # The threshold itself stands in the headline.
    where = "at or above" if breast.risk is Risk.HIGH else "below"
    sentence = f"{side}: probability {percent(breast.probability)} ({mean} {views}), {where} the threshold."
    return " ".join([sentence, *flag_sentences(breast.flags)])


def flag_sentences(flags: tuple[str, ...]) -> list[str]:
    """Put the flags of a decision in words."""
    return [f"Note: {FLAGS.get(flag, plain(flag).replace('_', ' '))}." for flag in flags]


def view_sentence(image: SourceImage, lesion: Lesion | None, *, label: str) -> str:
    """Say what was found in one analysed view, with its figures."""
    prediction = image.prediction
    if prediction is None or prediction.source is LesionSource.NONE:
        return f"{label}: no calcifications found."
    sentences = []
    if prediction.probability is not None:
        folds = prediction.fold_probabilities
        several = len(folds) > 1
        spread = f" (its {len(folds)} networks: {percent(min(folds))} to {percent(max(folds))})" if several else ""
        sentences.append(f"{label}: probability {percent(prediction.probability)}{spread}.")
    else:
        sentences.append(f"{label}: no probability.")
    sentences.append(_size(lesion))
    if image.mark is not None:
        sentences.append(given_sentence(image))
    return " ".join(sentences)


def _size(lesion: Lesion | None) -> str:
    if lesion is None:
        return "Nothing was outlined."
    facts = [f"Outlined in {lesion.pieces} {'piece' if lesion.pieces == 1 else 'pieces'}"]
    if lesion.area_mm2 is None or lesion.extent_mm is None:
        facts.append("no size, as the image states no pixel spacing")
    else:
        facts += [f"extent {lesion.extent_mm:.1f} mm", f"area {lesion.area_mm2:.1f} mm2"]
    if lesion.calcifications is not None:
        facts.append(f"{lesion.calcifications} calcifications counted")
    return ", ".join(facts) + "."


def given_sentence(image: SourceImage) -> str:
    """Say that the analysis was centred on somebody's mark, of which kind, and among how many it was chosen."""
    mark = image.mark
    kind = MARK_KINDS.get(mark.kind if mark else "", "a mark")
    sentence = f"The analysis was centred on a given mark: {kind} of this exam"
    if mark is None or mark.among < 2:
        return f"{sentence}."
    return f"{sentence}, one of {mark.among} marks on this view. The others were not used."


def magnification_sentence(image: SourceImage) -> str:
    """Say in which plane the millimetres are."""
    factor = image.header.magnification
    if image.header.spacing_mm is None:
        return "Sizes are not given: the image states no pixel spacing."
    if factor is None:
        return "Sizes are at the detector plane; the magnification is not known. In the body they are smaller."
    return f"Sizes are at the detector plane; divide lengths by {factor:.3f} (areas twice) for the size in the body."


def left_out(answer: ExamAnswer) -> list[str]:
    """Say which objects were not used, and why: one sentence for each reason."""
    labels = view_labels(answer)
    by_reason: dict[tuple[Reason, str], list[str]] = defaultdict(list)
    for image in unused_images(answer):
        label = labels[image.header.sop_instance_uid] if view_name(image) else ""
        by_reason[image.reason, plain(image.explanation)].append(label)
    return [_left_out_sentence(reason, text, names) for (reason, text), names in by_reason.items()]


def _left_out_sentence(reason: Reason, text: str, names: list[str]) -> str:
    known = [name for name in names if name]
    unknown = len(names) - len(known)
    told = known[:MOST_NAMED]
    if len(known) > MOST_NAMED:
        told.append(f"{len(known) - MOST_NAMED} more")
    if unknown:
        told.append(f"{unknown} {'object' if unknown == 1 else 'objects'}")
    return f"Not used: {', '.join(told)}. Reason {reason.value}: {text}"


def version_sentence(answer: ExamAnswer) -> str:
    """Say that a later version replaces the one before, and whether a risk class changed; the causes stand below."""
    replaces = f"This report replaces its version {answer.version - 1}."
    return f"{replaces} {answer.risk_change or 'The risk class is the same.'}"


def asked_sentence(asked: AskedFor, answer: ExamAnswer, image: SourceImage) -> str:
    """Say that missing views were asked for elsewhere, when, and what came of it."""
    several = len(asked.missing) > 1
    names = " and ".join([*([", ".join(asked.missing[:-1])] if several else []), asked.missing[-1]])
    begin = f"{names} {'were' if several else 'was'} missing: {plain(asked.source)}"
    them = "them" if several else "it"
    if not asked.reached:
        return f"{begin} could not be asked for {them} in time."
    moment = in_zone_of(asked.asked_at, image.attributes)
    same_day = moment.date() == made_at(answer, image.attributes).date()
    begin += (
        f" was asked for {them} {moment:at %H:%M}"
        if same_day
        else f" was asked for {them} {moment:on %Y-%m-%d at %H:%M}"
    )
    if asked.found:
        found = "1 image was found" if asked.found == 1 else f"{asked.found} images were found"
        return f"{begin}; {found}, {asked.came or 'none'} came."
    return f"{begin}; {'none was found' if asked.answered else 'it gave no answer that could be used'}."


def priors_sentence(answer: ExamAnswer) -> str:
    """Say which earlier mammograms are here; "" where none were asked for."""
    if answer.prior_dates is None:
        return ""
    if not answer.prior_dates:
        return "No earlier mammograms are here."
    days = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in answer.prior_dates[:MOST_PRIORS]]
    more = len(answer.prior_dates) - len(days)
    listed = " and ".join([*([", ".join(days[:-1])] if days[:-1] else []), days[-1]])
    return (
        f"Earlier mammograms are here, of {listed}{f' and {more} more days' if more else ''}; they were not compared."
    )


def provenance(answer: ExamAnswer, image: SourceImage) -> list[str]:
    """Say who made the report, with which model, when, and what changed."""
    when = made_at(answer, image.attributes)
    own = answer.equipment
    sentences = [
        model_line(answer),
        plain(
            f"Made by {own.model_name} {own.software_version} on {when:%Y-%m-%d at %H:%M}. Not verified by a person."
        ),
    ]
    if answer.version > 1:
        sentences.append(f"Version {answer.version}; it replaces version {answer.version - 1}. {answer.change}")
    return sentences
