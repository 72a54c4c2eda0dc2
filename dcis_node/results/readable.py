"""The readable report: Enhanced SR, TID 2000, what a person reads first.

It is made for every exam, and alone where nothing was outlined or nothing could be analysed: a measurement report
without regions blanks OHIF, this form opens as text on the page.
"""

from highdicom.sr import CodedConcept, ContainerContentItem, ContentItem, ContentSequence
from pydicom.uid import EnhancedSRStorage

from dcis_node.results import codes, wording
from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.document import sr_document
from dcis_node.results.hanging import hung, leading_image, view_labels
from dcis_node.results.kinds import ResultKind
from dcis_node.results.lesion import Lesion
from dcis_node.results.tree import container, language, text

# OHIF sets a Finding in a fixed pitch and does not break it: about this many characters fit beside its panels.
FINDING_WIDTH = 110


def build_readable(answer: ExamAnswer, lesions: dict[str, Lesion]) -> ResultObject:
    """Build the readable report.

    Parameters
    ----------
    lesions
        Of each image (by SOP Instance UID) where something was outlined.
    """
    impressions: list[ContentItem] = [text(codes.IMPRESSION, s) for s in impression_sentences(answer)]
    findings: list[ContentItem] = [
        text(codes.FINDING, s, width=FINDING_WIDTH) for s in finding_sentences(answer, lesions)
    ]
    procedure: list[ContentItem] = [text(codes.PROCEDURE_DESCRIPTION, s) for s in procedure_sentences(answer, lesions)]
    root = ContainerContentItem(
        name=CodedConcept.from_code(codes.REPORT_TITLE), template_id="2000", is_content_continuous=False
    )
    root.ContentSequence = ContentSequence(
        [
            *language(),
            container(codes.IMPRESSIONS, impressions),
            container(codes.FINDINGS, findings),
            container(codes.PROCEDURE, procedure),
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


def impression_sentences(answer: ExamAnswer) -> list[str]:
    """Say first what the report may not be used for, then its result and what the figure means."""
    sentences = [wording.banner(answer), wording.headline(answer)]
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
    for image in hung(answer):
        uid = image.header.sop_instance_uid
        if image.prediction is not None:
            sentences.append(wording.view_sentence(image, lesions.get(uid), label=labels[uid]))
    return sentences


def procedure_sentences(answer: ExamAnswer, lesions: dict[str, Lesion]) -> list[str]:
    """Say how the sizes are meant, what was not used and why, if the exam was complete, and who made the report."""
    outlined = [i for i in hung(answer) if i.header.sop_instance_uid in lesions]
    sentences = list(dict.fromkeys(wording.magnification_sentence(i) for i in outlined))
    sentences += wording.left_out(answer)
    if answer.completeness:
        sentences.append(answer.completeness)
    return sentences + wording.provenance(answer, leading_image(answer))
