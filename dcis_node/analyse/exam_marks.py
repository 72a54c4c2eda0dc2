"""The marks that an exam carries: lesions that somebody else has outlined or pointed at, beside the images."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pydicom import dcmread

from dcis_node.analyse.decode_marks import decode_marks
from dcis_node.mammogram.facts import MammogramHeader, Mark
from dcis_node.mammogram.marks import read_marks
from dcis_node.mammogram.marks_seg import is_compressed
from dcis_node.mammogram.storage_classes import MAY_CARRY_MARKS
from storage.exams import ExamInstance
from storage.files import FileStore

log = logging.getLogger(__name__)

# A reader's outline before a reader's point, a person's mark before another program's, and a drawing that may be
# anything last.
PREFERENCE = ("seg", "sr_scoord", "cad_sr", "gsps")
# A segmentation of the largest mammogram has 4 MB; anything much larger is not read for its marks.
LARGEST_BYTES = 64 * 1024 * 1024
OWN_RESULT = "own_result"


def read_exam_marks(instances: Sequence[ExamInstance], files: FileStore) -> tuple[Mark, ...]:
    """Read the marks of all objects of an exam that are not our own results.

    An object that cannot be read gives no marks; it is named in the log by its number in the index.
    """
    carriers = [i for i in instances if i.sop_class_uid in MAY_CARRY_MARKS and i.reason != OWN_RESULT]
    return tuple(mark for carrier in carriers for mark in _marks_of(carrier, files))


def _marks_of(carrier: ExamInstance, files: FileStore) -> tuple[Mark, ...]:
    path = files.path(carrier.sha256)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return ()
        if is_compressed(dcmread(path, stop_before_pixels=True)):
            return _decoded(path, carrier.sop_instance_uid, files.incoming)
        return read_marks(dcmread(path))
    except Exception as error:  # noqa: BLE001 -- foreign bytes; one broken object must not cost the exam its answer
        log.warning("event=marks_unreadable instance=%d error=%s", carrier.id, type(error).__name__)
        return ()


@lru_cache(maxsize=64)
def _decoded(path: Path, source_uid: str, scratch: Path) -> tuple[Mark, ...]:
    """Decode a segmentation once: each view of its exam asks for the marks, and the path is that of its content.

    A failure is not kept: it may be the moment's, and two workers that differ in what they remember of one exam would
    never agree on it.
    """
    return decode_marks(path, source_uid=source_uid, scratch=scratch)


def marks_on(marks: Sequence[Mark], header: MammogramHeader) -> tuple[Mark, ...]:
    """Give the marks inside the image of a view, the first being the one to centre its crop.

    The rule is fixed, so that the same objects give the same answer in whatever order they came: by `PREFERENCE`,
    then by the identity of the object, then by place.
    """
    inside = {
        mark
        for mark in marks
        if mark.image_uid == header.sop_instance_uid
        and mark.kind in PREFERENCE
        and 0 <= mark.row < header.rows
        and 0 <= mark.column < header.columns
    }
    return tuple(sorted(inside, key=lambda m: (PREFERENCE.index(m.kind), m.source_uid, m.row, m.column)))
