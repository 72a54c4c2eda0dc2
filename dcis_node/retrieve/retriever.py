"""One unit of the retriever's work: claim a question, ask its source, have the images moved, record what came of it."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom.association import Association

from dcis_node.config import RetrieveSettings
from dcis_node.mammogram.facts import MammogramHeader
from dcis_node.mammogram.standard_views import image_present, missing_views
from dcis_node.retrieve.association import FIND, association_with
from dcis_node.retrieve.events import Notify, nobody, queried
from dcis_node.retrieve.move import move
from dcis_node.retrieve.query import Find, find
from dcis_node.retrieve.rule import longest_seconds
from dcis_node.retrieve.search import Image, find_images, find_priors, images_of
from dcis_node.retrieve.source import Source, Trouble
from storage import retrievals
from storage.database import Database
from storage.exams import exam_instances
from storage.priors import expect_priors
from storage.retrievals import VIEWS, Errand, ExamSought

log = logging.getLogger(__name__)

# A source that moves in the background says that it is done before the last image is here.
ARRIVAL_POLL_SECONDS = 0.2
NOTHING_MISSING = "nothing was missing any more"
LEASE_LOST = "its time was over"


@dataclass(frozen=True)
class Lane:
    """What a retriever needs to ask one source.

    Parameters
    ----------
    merge_same_day
        As `exam.merge_same_day`: other studies of the patient on that day belong to the exam.
    owner
        Name under which questions are leased; the same after a restart, and no one else's.
    stop
        Set when the current question is the last one.
    notify
        Takes each query before it goes out.
    """

    db: Database
    source: Source
    settings: RetrieveSettings
    merge_same_day: bool
    owner: str
    stop: threading.Event
    clock: Callable[[], float] = time.time
    notify: Notify = nobody

    @property
    def longest_seconds(self) -> float:
        """Longest time for one question."""
        return longest_seconds(self.settings)


def retrieve_next(lane: Lane) -> bool:
    """Ask the lane's source for what has waited longest; False if nothing does.

    A death at any line leaves a leased question, which this retriever's successor asks again: the images that came
    meanwhile are found here, and not moved once more.

    Raises
    ------
    StorageError
        The index cannot be used. The question stays leased until its exam's time is over.
    """
    errand = retrievals.claim(
        lane.db,
        source=lane.source.name,
        owner=lane.owner,
        now=lane.clock(),
        wait_seconds=lane.settings.wait_seconds,
        max_tries=lane.settings.max_tries,
    )
    if errand is None:
        return False
    if errand.purpose == VIEWS and not _is_needed(lane, errand):
        # Where an attempt that died had found images, it is they that came.
        text = "" if errand.found else NOTHING_MISSING
        retrievals.finish(lane.db, errand, moved=errand.found, now=lane.clock(), text=text)
        log.info("event=retrieval exam=%d source=%s text=%r", errand.exam_id, errand.source, NOTHING_MISSING)
        return True
    asking = _Asking(lane, errand)
    try:
        asking.run()
    except Trouble as trouble:
        asking.record(str(trouble), permanent=trouble.permanent)
    except Exception as error:  # noqa: BLE001 -- the edge of an item: recorded on it, and the next one is done
        # Only the kind is kept: the text may quote what the peer sent.
        asking.record(f"an error of this program ({type(error).__name__})")
    return True


def _is_needed(lane: Lane, errand: Errand) -> bool:
    """Tell if the exam still lacks a view: another source, or the sender itself, may have been faster."""
    with lane.db.read() as session:
        instances = exam_instances(session, errand.exam_id)
    present = [
        image_present(
            MammogramHeader.from_json(instance.facts), usable=instance.eligible and instance.analysis != "failed"
        )
        for instance in instances
        if instance.is_image
    ]
    return bool(missing_views(present))


class _Asking:
    """One attempt at one question, and how far it came."""

    def __init__(self, lane: Lane, errand: Errand) -> None:
        self._lane = lane
        self._errand = errand
        self._wanted: frozenset[str] = frozenset()
        self._searched = False
        self._until = time.monotonic() + errand.lease_until - lane.clock()

    def run(self) -> None:
        """Find what is not here, and have it moved.

        Raises
        ------
        Trouble
            The source failed, or not everything came.
        """
        with self._lane.db.read() as session:
            sought = retrievals.exam_sought(session, self._errand.exam_id)
        with association_with(self._lane.source) as association:
            images = self._choose(self._found(self._find_over(association), sought))
            if images:
                move(association, self._lane.source, images, until=self._until)
        missing = self._wait_for_arrival()
        if missing:
            raise Trouble(f"{self._lane.source} did not send {len(missing)} of {self._errand.found} images")
        self.record("")

    def record(self, text: str, *, permanent: bool = False) -> None:
        """Write what came of it: done if there is no text of a failure, else another try where one is left.

        Raises
        ------
        StorageError
            The index cannot be used.
        """
        lane, errand = self._lane, self._errand
        # An attempt that did not come to search knows no better than those before it.
        now, moved = lane.clock(), errand.found - len(self._not_here()) if self._searched else errand.moved
        next_try_at = now + lane.settings.retry_seconds
        last = permanent or errand.attempts >= lane.settings.max_tries or next_try_at >= errand.lease_until
        if not text:
            kept = retrievals.finish(lane.db, errand, moved=moved, now=now)
        elif last:
            kept = retrievals.fail(lane.db, errand, moved=moved, now=now, text=text)
        else:
            kept = retrievals.retry(lane.db, errand, moved=moved, text=text, next_try_at=next_try_at)
        log.log(
            logging.WARNING if text else logging.INFO,
            "event=retrieval exam=%d source=%s attempt=%d found=%d came=%d last=%s kept=%s text=%r",
            errand.exam_id,
            errand.source,
            errand.attempts,
            errand.found,
            moved,
            last or not text,
            kept,
            text,
        )

    def _found(self, find_over: Find, sought: ExamSought) -> tuple[Image, ...]:
        """Ask for the images that the errand is about; priors are noted before any of them can come."""
        lane, settings = self._lane, self._lane.settings
        if self._errand.purpose == VIEWS:
            return find_images(find_over, sought, merge_same_day=lane.merge_same_day)
        priors = find_priors(find_over, sought, years=settings.priors_years, most=settings.most_priors)
        return images_of(find_over, expect_priors(lane.db, self._errand, priors, now=lane.clock()))

    def _find_over(self, association: Association) -> Find:
        numbers = iter(range(1, 65536))

        def ask(keys: Dataset) -> tuple[Dataset, ...]:
            if self._lane.stop.is_set() or time.monotonic() >= self._until:
                raise Trouble(f"{self._lane.source} was not asked to the end: {LEASE_LOST}")
            self._lane.notify(queried(self._lane.source, self._errand.exam_id, FIND, keys))
            return find(association, self._lane.source, keys, until=self._until, message_id=next(numbers))

        return ask

    def _choose(self, found: Collection[Image]) -> list[Image]:
        """Take what is not here, within the limit, and note how much it is before anything is moved."""
        with self._lane.db.read() as session:
            here = retrievals.known_objects(session, [image.sop_instance_uid for image in found])
        lacking = [image for image in found if image.sop_instance_uid not in here]
        chosen = lacking[: self._lane.settings.most_images]
        if len(lacking) > len(chosen):
            log.warning(
                "event=retrieval_cut exam=%d source=%s found=%d moved=%d",
                self._errand.exam_id,
                self._errand.source,
                len(lacking),
                len(chosen),
            )
        # An attempt that died has counted those that came before it did.
        noted = retrievals.note_found(self._lane.db, self._errand, max(self._errand.found, len(chosen)))
        if noted is None:
            raise Trouble(LEASE_LOST)
        self._errand = noted
        self._searched = True
        self._wanted = frozenset(image.sop_instance_uid for image in chosen)
        return chosen

    def _wait_for_arrival(self) -> frozenset[str]:
        """Give what has not come, at the latest when the source's time for an answer is over."""
        end = min(self._until, time.monotonic() + self._lane.source.timeout_seconds)
        while (left := self._not_here()) and time.monotonic() < end:
            if self._lane.stop.wait(ARRIVAL_POLL_SECONDS):
                break
        return left

    def _not_here(self) -> frozenset[str]:
        if not self._wanted:
            return frozenset()
        with self._lane.db.read() as session:
            return self._wanted - retrievals.known_objects(session, self._wanted)
