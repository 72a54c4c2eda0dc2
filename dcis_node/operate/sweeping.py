"""The sweep of the clock: which open exams are complete, and which of them first ask for their missing views."""

from collections.abc import Sequence

from dcis_node.analyse.completeness import sweep_open_exams
from dcis_node.config import Configuration
from dcis_node.mammogram.standard_views import ImagePresent
from dcis_node.retrieve.gate import hold_for_views
from storage.database import Database
from storage.exams import OpenExam


def sweep_exams(configuration: Configuration, db: Database, *, now: float) -> int:
    """Make due what is complete or out of time; gives how many exams.

    With a source in `[retrieve]` an exam that lacks a standard view is asked for first, and waited for within bounds.

    Raises
    ------
    StorageError
        The index cannot be used.
    """
    settings = configuration.retrieve
    if not settings.sources:
        return sweep_open_exams(db, configuration.exam, now=now)

    def hold(exam: OpenExam, images: Sequence[ImagePresent], ends: bool) -> bool:  # noqa: FBT001 -- a `Hold`
        return hold_for_views(
            exam, images, ends=ends, db=db, settings=settings, exam_settings=configuration.exam, now=now
        )

    return sweep_open_exams(db, configuration.exam, now=now, hold=hold)
