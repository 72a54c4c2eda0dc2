"""The readable report: Enhanced SR, TID 2000, what a person reads first.

It is made for every exam, and alone where nothing was outlined or nothing could be analysed: a measurement report
without regions blanks OHIF, this form opens as text on the page.
"""

from highdicom.sr import CodedConcept, ContainerContentItem, ContentItem, ContentSequence, RelationshipTypeValues
from pydicom.uid import EnhancedSRStorage

from dcis_node.results import codes, wording
from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.hanging import analysed_images, hung, leading_image, view_labels
from dcis_node.results.kinds import ResultKind
from dcis_node.results.lesion import Lesion
from dcis_node.results.sr.basis import basis_of_breast, basis_of_exam, basis_of_view, flag_codes, reason_items
from dcis_node.results.sr.document import sr_document
from dcis_node.results.sr.tree import code_item, container, language, text, with_below

# OHIF sets a Finding in a fixed pitch and does not break it: about this many characters fit beside its panels.
FINDING_WIDTH = 110


def build_readable(answer: ExamAnswer, lesions: dict[str, Lesion]) -> ResultObject:
    """Build the readable report.

    Parameters
    ----------
    lesions
        Of each image (by SOP Instance UID) where something was outlined.
    """
    root = ContainerContentItem(
        name=CodedConcept.from_code(codes.REPORT_TITLE), template_id="2000", is_content_continuous=False
    )
    root.ContentSequence = ContentSequence(
        [
            *language(),
            container(codes.IMPRESSIONS, _impressions(answer)),
            container(codes.FINDINGS, _findings(answer, lesions)),
            container(codes.PROCEDURE, _procedure(answer, lesions)),
        ],
        is_root=False,
    )
    return sr_document(
        answer,
        root,
        sop_class_uid=EnhancedSRStorage,
        kind=ResultKind.READABLE_REPORT,
        description="DCIS report",
    )


def _impressions(answer: ExamAnswer) -> list[ContentItem]:
    banner, headline, *further = impression_sentences(answer)
    coded = [codes.OUTCOMES[answer.decision.risk], *flag_codes(answer.decision.flags)]
    return [
        text(codes.IMPRESSION, banner),
        with_below(text(codes.IMPRESSION, headline), basis_of_exam(answer)),
        *(text(codes.IMPRESSION, sentence) for sentence in further),
        *(code_item(codes.IMPRESSION, value, relationship=RelationshipTypeValues.CONTAINS) for value in coded),
    ]


def _findings(answer: ExamAnswer, lesions: dict[str, Lesion]) -> list[ContentItem]:
    bases: list[list[ContentItem]] = [[]]
    bases += [basis_of_breast(answer, breast) for breast in answer.decision.breasts]
    bases += [
        basis_of_view(answer, image, lesions.get(image.header.sop_instance_uid)) for image in analysed_images(answer)
    ]
    sentences = finding_sentences(answer, lesions)
    return [
        with_below(text(codes.FINDING, sentence, width=FINDING_WIDTH), basis)
        for sentence, basis in zip(sentences, bases, strict=True)
    ]


def _procedure(answer: ExamAnswer, lesions: dict[str, Lesion]) -> list[ContentItem]:
    name = codes.PROCEDURE_DESCRIPTION
    sizes, rest = size_sentences(answer, lesions), course_sentences(answer)
    return [
        *(text(name, sentence) for sentence in [*sizes, *wording.left_out(answer)]),
        *reason_items(answer, name),
        *(text(name, sentence) for sentence in rest),
    ]


def impression_sentences(answer: ExamAnswer) -> list[str]:
    """Say first what the report may not be used for, then its result and what the figure means."""
    sentences = [wording.banner(answer), wording.headline(answer)]
    if answer.version > 1:
        sentences.append(wording.version_sentence(answer))
    if answer.decision.probability is not None:
        sentences += [wording.meaning(answer), wording.operating_sentence(answer)]
    partly = wording.partly_sentence(answer)
    sentences += [partly] if partly else []
    told = {flag for breast in answer.decision.breasts for flag in breast.flags}
    return sentences + wording.flag_sentences(tuple(f for f in answer.decision.flags if f not in told))


def finding_sentences(answer: ExamAnswer, lesions: dict[str, Lesion]) -> list[str]:
    """Say which views were analysed, then the findings, breast by breast and view by view."""
    labels = view_labels(answer)
    sentences = [wording.views_sentence(answer)]
    sentences += [wording.breast_sentence(breast) for breast in answer.decision.breasts]
    for image in analysed_images(answer):
        uid = image.header.sop_instance_uid
        sentences.append(wording.view_sentence(image, lesions.get(uid), label=labels[uid]))
    return sentences


def size_sentences(answer: ExamAnswer, lesions: dict[str, Lesion]) -> list[str]:
    """Say how the sizes are meant."""
    outlined = [i for i in hung(answer) if i.header.sop_instance_uid in lesions]
    return list(dict.fromkeys(wording.magnification_sentence(i) for i in outlined))


def course_sentences(answer: ExamAnswer) -> list[str]:
    """Say if the exam was complete, what was asked for elsewhere, which priors are here, who made the report."""
    complete = [answer.completeness] if answer.completeness else []
    image = leading_image(answer)
    asked = [wording.asked_sentence(one, answer, image) for one in answer.asked_for]
    priors = [sentence] if (sentence := wording.priors_sentence(answer)) else []
    return complete + asked + priors + wording.provenance(answer, image)


def procedure_sentences(answer: ExamAnswer, lesions: dict[str, Lesion]) -> list[str]:
    """Say how the sizes are meant, what was not used and why, how complete the exam was, and who made the report."""
    return size_sentences(answer, lesions) + wording.left_out(answer) + course_sentences(answer)
