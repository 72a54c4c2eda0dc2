"""Headers as the results use them: without what cannot be read."""

from dataclasses import replace

from pydicom import Dataset
from pydicom.tag import BaseTag

from dcis_node.mammogram.values import UNREADABLE
from dcis_node.results.answer import ExamAnswer
from dcis_node.results.check.reading import elements


def with_readable_headers(answer: ExamAnswer) -> ExamAnswer:
    """Give the answer with headers that every reader can read.

    A broken element that nobody needs may not keep an exam from its result: pydicom decodes an element when it is first
    looked at, and fails then. The headers are copies, so looking at them changes nothing in the answer that was given.
    """
    images = tuple(replace(image, attributes=readable(image.attributes)) for image in answer.images)
    return replace(answer, images=images)


def readable(header: Dataset) -> Dataset:
    """Copy a header without the elements that cannot be decoded; the others are still the bytes they were."""
    copied, tried = header[:], header[:]
    for tag in tuple(tried.keys()):
        if not _decodes(tried, tag):
            del copied[tag]
    return copied


def _decodes(header: Dataset, tag: BaseTag) -> bool:
    try:
        element = header[tag]
        if element.VR == "SQ":
            for item in element.value:
                for _ in elements(item):  # in depth
                    pass
    except UNREADABLE:
        return False
    return True
