"""What keeps an open exam from being decided: its missing views are asked for first, and waited for within bounds."""

import logging
from collections.abc import Sequence

from dcis_node.config import ExamSettings, RetrieveSettings
from dcis_node.mammogram.standard_views import ImagePresent, missing_views
from dcis_node.retrieve.rule import is_waited_for, views_to_ask_for
from storage.database import Database
from storage.exams import OpenExam
from storage.retrievals import PRIORS, VIEWS, ask, asked_of, expire

log = logging.getLogger(__name__)


def hold_for_views(
    exam: OpenExam,
    images: Sequence[ImagePresent],
    *,
    ends: bool,
    db: Database,
    settings: RetrieveSettings,
    exam_settings: ExamSettings,
    now: float,
) -> bool:
    """Tell whether an open exam waits for views that are asked for elsewhere; ask for them when it is time.

    An exam is asked for once. It waits while a source is being asked, and while one is still to be asked and a view is
    missing; when its time is over what is unfinished is given up, and the exam is decided with what is there. So it is
    decided at the latest `wait_seconds` after it would have been. Earlier mammograms are asked for as soon as it is
    seen, and never waited for.

    Parameters
    ----------
    ends
        True if the exam would be decided now.

    Raises
    ------
    StorageError
        The index cannot be used.
    """
    with db.read() as session:
        all_asked = asked_of(session, exam.id)
    asked = [one for one in all_asked if one.purpose == VIEWS]
    if settings.priors and not any(one.purpose == PRIORS for one in all_asked):
        names = [source.name for source in settings.sources]
        ask(db, exam.id, names, missing="", last_image_at=exam.last_image_at, now=now, purpose=PRIORS)
    if not asked:
        return _ask(exam, images, ends=ends, db=db, settings=settings, exam_settings=exam_settings, now=now)
    unfinished = [one for one in asked if one.is_unfinished]
    if not unfinished:
        return False
    if all(is_waited_for(one.asked_at, settings, now=now) for one in unfinished):
        return any(one.state == "leased" for one in unfinished) or bool(missing_views(images))
    given_up = expire(db, exam.id, now=now)
    log.warning("event=retrieval_out_of_time exam=%d sources=%d", exam.id, given_up)
    return False


def _ask(
    exam: OpenExam,
    images: Sequence[ImagePresent],
    *,
    ends: bool,
    db: Database,
    settings: RetrieveSettings,
    exam_settings: ExamSettings,
    now: float,
) -> bool:
    views = views_to_ask_for(images, exam_settings, settings, now=now, opened_at=exam.opened_at, ends=ends)
    if not views:
        return False
    names = [source.name for source in settings.sources]
    missing = ", ".join(views)
    asked = ask(db, exam.id, names, missing=missing, last_image_at=exam.last_image_at, now=now)
    if asked:
        log.info("event=retrieval_asked exam=%d missing=%r sources=%s", exam.id, missing, ",".join(names))
    # False: another image came meanwhile; the next sweep looks anew.
    return True
