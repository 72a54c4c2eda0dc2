"""When an exam is complete: a pure rule over the images present and the time, and the sweep that applies it.

The rule, in this order (design.md, "The walk of an image", 4):

1. `four_standard_views`: CC and MLO of both sides, after a short settle in which no association that sent for the
   exam is open;
2. `one_sided_pair`: CC and MLO of one side and no image of the other side, after the same settle;
3. `quiet`: nothing came for the quiet time, whatever is there and whoever still holds an association;
4. `deadline`: the exam has been open for so long that it is decided with what is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dcis_node.config import ExamSettings
from dcis_node.mammogram.facts import MammogramHeader
from dcis_node.mammogram.standard_views import SIDES, STANDARD_VIEWS, ImagePresent, image_present, standard_views
from storage.database import Database
from storage.exams import ExamInstance, OpenExam, sweep_exams


class CompletenessName(StrEnum):
    """Why an exam was taken as complete. The names stand in the index."""

    FOUR_STANDARD_VIEWS = "four_standard_views"
    ONE_SIDED_PAIR = "one_sided_pair"
    QUIET = "quiet"
    DEADLINE = "deadline"


@dataclass(frozen=True)
class Completeness:
    """What the rule says of an exam now.

    Parameters
    ----------
    name
        The rule that ended the waiting; None while the exam waits.
    next_look_at
        Unix seconds at which the answer may change though nothing arrives; the time asked about if it is complete.
    """

    name: CompletenessName | None
    next_look_at: float

    @property
    def state(self) -> str:
        """`complete` or `wait`."""
        return "wait" if self.name is None else "complete"


def judge_completeness(
    images: Sequence[ImagePresent],
    settings: ExamSettings,
    *,
    now: float,
    opened_at: float,
    last_image_at: float,
    open_associations: int,
    last_closed_at: float | None = None,
) -> Completeness:
    """Say whether an exam is complete.

    Parameters
    ----------
    images
        All images of the exam, usable or not; other objects are not passed.
    now, opened_at, last_image_at
        Unix seconds: the time asked about, the arrival of the first and of the last image since the exam (re)opened.
    open_associations
        How many associations that sent for this exam are open.
    last_closed_at
        When the last of its associations closed; None if none did.

    Returns
    -------
    Completeness
        An exam without any image waits for ever (`next_look_at` is infinite): there is nothing to report on.
    """
    if not images:
        return Completeness(name=None, next_look_at=float("inf"))
    ends: list[tuple[CompletenessName, float]] = []
    settled = _complete_set(images)
    if settled is not None and open_associations == 0:
        still_since = max(last_image_at, last_closed_at if last_closed_at is not None else last_image_at)
        ends.append((settled, still_since + settings.settle_seconds))
    ends += [
        (CompletenessName.QUIET, last_image_at + settings.quiet_seconds),
        (CompletenessName.DEADLINE, opened_at + settings.deadline_seconds),
    ]
    for name, end in ends:
        if now >= end:
            return Completeness(name=name, next_look_at=now)
    return Completeness(name=None, next_look_at=min(end for _, end in ends))


def _complete_set(images: Sequence[ImagePresent]) -> CompletenessName | None:
    """Name the set of standard views that is there, if one is."""
    present = {side: standard_views(images, side) for side in SIDES}
    if all(views == STANDARD_VIEWS for views in present.values()):
        return CompletenessName.FOUR_STANDARD_VIEWS
    # Any image of the other side, even one that is not used, says that this side is not all of the exam.
    sides_seen = {image.laterality for image in images} & SIDES
    if len(sides_seen) == 1 and present[sides_seen.pop()] == STANDARD_VIEWS:
        return CompletenessName.ONE_SIDED_PAIR
    return None


# Told of an open exam, its images, and whether the rule would end its waiting now; True keeps it waiting.
Hold = Callable[[OpenExam, Sequence[ImagePresent], bool], bool]


def _hold_none(_exam: OpenExam, _images: Sequence[ImagePresent], _ends: bool) -> bool:  # noqa: FBT001 -- a `Hold`
    return False


def sweep_open_exams(db: Database, settings: ExamSettings, *, now: float, hold: Hold = _hold_none) -> int:
    """Make `due` every open exam that the rule calls complete; gives how many (see `storage.exams.sweep_exams`).

    Parameters
    ----------
    hold
        Asked of every open exam; may keep one waiting that the rule would not: its missing views are being asked for.
    """

    def judge(exam: OpenExam) -> str | None:
        images = tuple(_present(instance) for instance in exam.images)
        name = judge_completeness(
            images,
            settings,
            now=now,
            opened_at=exam.opened_at,
            last_image_at=exam.last_image_at,
            open_associations=exam.open_associations,
            last_closed_at=exam.last_closed_at,
        ).name
        return None if hold(exam, images, name is not None) else name

    return sweep_exams(db, judge)


def _present(instance: ExamInstance) -> ImagePresent:
    usable = instance.eligible and instance.analysis != "failed"
    return image_present(MammogramHeader.from_json(instance.facts), usable=usable)
