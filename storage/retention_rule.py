"""What may leave, and when: a pure rule over exams as the index has them.

An exam is done when it is reported without a fault, nothing of it is under way, and every result of every version of
its report is proven at its destination (or sent, where that destination offers no proof that was asked for). It is also
done when a person has said so of what failed (`dismiss`). Days count from the last of these moments. Then, each after
its own number of days:

1. its images leave, oldest exam first. With too little disk free they go earlier, in the same order, until there is
   enough; but never in their first `least_days`;
2. then its results, with outlines, records and the other objects that came with it;
3. then its rows.

An image that a training cohort names stays, and with it what comes later.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DAY_SECONDS = 86400.0
# States of exams that are not to be answered: without images, or fetched beside another exam only.
NO_ANSWER = frozenset({"idle", "prior"})
SETTLED, UNSENT = frozenset({"proven", "dismissed"}), frozenset({"due", "leased"})


class Stay(StrEnum):
    """Why an exam stays whole for now."""

    OPEN = "open"  # views may still come, or it waits for its decision
    AT_WORK = "at_work"  # a view, a decision or a retrieval is under way
    FAILED = "failed"  # no answer, or one without its analysis: `retry` may need the images, or `dismiss`
    UNANSWERED = "unanswered"  # there are images and no report
    UNSENT = "unsent"
    DEAD = "dead"  # a person has to look: `requeue` or `dismiss`
    UNPROVEN = "unproven"  # sent, and the proof has not come
    COHORT = "cohort"  # all that could leave is named by a training cohort
    YOUNG = "young"
    NEVER = "never"  # switched off


@dataclass(frozen=True)
class Terms:
    """The settings (see `dcis_node.config.retention`); days, 0 = never.

    Parameters
    ----------
    unasked
        Destinations whose proof nobody asks for: `sent` is enough there.
    known
        All destinations of the settings; at one that is there no more nobody asks either.
    """

    images_days: float
    results_days: float = 0.0
    rows_days: float = 0.0
    least_days: float = 0.0
    unasked: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Parcel:
    """One result on its way; `settled_at` is when it was proven, or else sent, or dismissed (Unix seconds)."""

    destination: str
    state: str
    settled_at: float = 0.0


@dataclass(frozen=True)
class KeptExam:
    """An exam as the rule sees it; times are Unix seconds.

    Parameters
    ----------
    state
        As in `storage.schema.Exam`.
    at_work
        A view is pending or leased, the exam is leased, or a retrieval is under way.
    failed
        A person has to look at it.
    dismissed_at
        When a person said that nothing more is to be done about its failure; None if nobody did.
    last_at
        Arrival of the newest object.
    reported_at
        Of the newest report; None without one.
    images, image_bytes
        Images whose files are here and that no cohort names.
    held
        Images here that a cohort names.
    others
        Results, analyses and other objects that are here.
    """

    id: int
    state: str
    last_at: float
    reported_at: float | None = None
    at_work: bool = False
    failed: bool = False
    dismissed_at: float | None = None
    parcels: tuple[Parcel, ...] = ()
    images: int = 0
    image_bytes: int = 0
    held: int = 0
    others: int = 0

    @property
    def done_at(self) -> float:
        """When the last thing happened that its answer needed."""
        settled = (parcel.settled_at for parcel in self.parcels)
        return max([self.last_at, self.reported_at or 0.0, self.dismissed_at or 0.0, *settled])


@dataclass(frozen=True)
class Plan:
    """What is to leave now, oldest first.

    Parameters
    ----------
    early
        How many of `images` go before their time, as the disk is nearly full.
    staying
        Exams of which nothing leaves now, by the reason.
    held
        Images of all exams that a training cohort names.
    """

    images: tuple[KeptExam, ...] = ()
    early: int = 0
    results: tuple[KeptExam, ...] = ()
    rows: tuple[KeptExam, ...] = ()
    staying: Mapping[str, int] = field(default_factory=dict)
    held: int = 0


def unfinished(exam: KeptExam, terms: Terms) -> Stay | None:
    """Say why an exam is not done; None if it is."""
    failed, closed = exam.state == "failed" or exam.failed, exam.dismissed_at is not None
    unanswered = exam.state not in NO_ANSWER and (exam.state != "reported" or exam.reported_at is None)
    reasons = (
        (exam.state in {"open", "due"}, Stay.OPEN),
        (exam.at_work, Stay.AT_WORK),
        (failed and not closed, Stay.FAILED),
        (unanswered and not (failed and closed), Stay.UNANSWERED),
        (any(parcel.state in UNSENT for parcel in exam.parcels), Stay.UNSENT),
        (any(parcel.state == "dead" for parcel in exam.parcels), Stay.DEAD),
        (not all(_is_settled(parcel, terms) for parcel in exam.parcels), Stay.UNPROVEN),
    )  # fmt: skip
    return next((reason for holds, reason in reasons if holds), None)


def _is_settled(parcel: Parcel, terms: Terms) -> bool:
    asked = parcel.destination in terms.known - terms.unasked
    return parcel.state in SETTLED or (parcel.state == "sent" and not asked)


def may_lose_images(exam: KeptExam, terms: Terms, *, now: float, early: bool = False) -> bool:
    """Tell whether an exam's images may leave now; `early`: as the disk is nearly full."""
    days = terms.least_days if early and terms.images_days else terms.images_days
    return exam.images > 0 and _is_due(exam, terms, days if terms.images_days else None, now)


def may_lose_results(exam: KeptExam, terms: Terms, *, now: float) -> bool:
    """Tell whether all that is left of an exam's files may leave now."""
    gone = not exam.images and not exam.held
    return gone and exam.others > 0 and _is_due(exam, terms, terms.results_days or None, now)


def may_lose_rows(exam: KeptExam, terms: Terms, *, now: float) -> bool:
    """Tell whether the index may forget an exam now."""
    gone = not (exam.images or exam.held or exam.others)
    return gone and _is_due(exam, terms, terms.rows_days or None, now)


def _is_due(exam: KeptExam, terms: Terms, days: float | None, now: float) -> bool:
    return days is not None and unfinished(exam, terms) is None and now - exam.done_at >= days * DAY_SECONDS


def choose(exams: Iterable[KeptExam], terms: Terms, *, now: float, wanted_bytes: int = 0) -> Plan:
    """Say what leaves now.

    Parameters
    ----------
    now
        Unix seconds.
    wanted_bytes
        How much more disk should be free; 0 if there is enough.
    """
    # An index of years names very many exams of which nothing leaves tonight: they are counted, and let go at once.
    candidates: list[KeptExam] = []
    staying: Counter[str] = Counter()
    held = 0
    for exam in exams:
        held += exam.held
        if _may_lose_anything(exam, terms, now=now, early=wanted_bytes > 0):
            candidates.append(exam)
        else:
            staying[why_it_stays(exam, terms).value] += 1
    candidates.sort(key=lambda exam: (exam.done_at, exam.id))
    images, freed, early = [], 0, 0
    for exam in candidates:
        due = may_lose_images(exam, terms, now=now)
        if due or (freed < wanted_bytes and may_lose_images(exam, terms, now=now, early=True)):
            images.append(exam)
            freed += exam.image_bytes
            early += not due
    results = tuple(exam for exam in candidates if may_lose_results(exam, terms, now=now))
    rows = tuple(exam for exam in candidates if may_lose_rows(exam, terms, now=now))
    leaving = {exam.id for exam in (*images, *results, *rows)}
    staying.update(why_it_stays(exam, terms).value for exam in candidates if exam.id not in leaving)
    return Plan(tuple(images), early, results, rows, dict(staying), held)


def _may_lose_anything(exam: KeptExam, terms: Terms, *, now: float, early: bool) -> bool:
    may_early = early and may_lose_images(exam, terms, now=now, early=True)
    steps = (may_lose_images, may_lose_results, may_lose_rows)
    return may_early or any(may(exam, terms, now=now) for may in steps)


def why_it_stays(exam: KeptExam, terms: Terms) -> Stay:
    """Give the reason why nothing of an exam leaves now."""
    reason = unfinished(exam, terms)
    if reason is not None:
        return reason
    if exam.images:
        return Stay.YOUNG if terms.images_days else Stay.NEVER
    if exam.held:
        return Stay.COHORT
    return Stay.YOUNG if (terms.results_days if exam.others else terms.rows_days) else Stay.NEVER
