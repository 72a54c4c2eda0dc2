"""The images of an exam that its site has rejected."""

import logging
from collections.abc import Sequence

from pydicom import dcmread

from dcis_node.mammogram.rejections import read_rejected
from dcis_node.mammogram.storage_classes import KEY_OBJECT_SELECTION
from storage.exams import ExamInstance
from storage.files import FileStore

log = logging.getLogger(__name__)


def read_exam_rejections(instances: Sequence[ExamInstance], files: FileStore) -> frozenset[str]:
    """Give the SOP Instance UIDs that the rejection notes of an exam name.

    A note that cannot be read rejects nothing; it is named in the log by its number in the index.
    """
    notes = [instance for instance in instances if instance.sop_class_uid == KEY_OBJECT_SELECTION]
    return frozenset().union(*(_named(note, files) for note in notes))


def _named(note: ExamInstance, files: FileStore) -> frozenset[str]:
    try:
        return read_rejected(dcmread(files.path(note.sha256), stop_before_pixels=True))
    except Exception as error:  # noqa: BLE001 -- foreign bytes; one broken object must not cost the exam its answer
        log.warning("event=rejection_unreadable instance=%d error=%s", note.id, type(error).__name__)
        return frozenset()
