"""When an exam's missing views are asked for, and how long it waits for them. Pure."""

from collections.abc import Sequence

from dcis_node.config import ExamSettings, RetrieveSettings
from dcis_node.mammogram.standard_views import ImagePresent, missing_views


def views_to_ask_for(
    images: Sequence[ImagePresent],
    exam: ExamSettings,
    settings: RetrieveSettings,
    *,
    now: float,
    opened_at: float,
    ends: bool,
) -> tuple[str, ...]:
    """Name the views to ask for now; none while the exam's sender may still send them, or if none is missing.

    Parameters
    ----------
    images
        All images of the exam, usable or not.
    now, opened_at
        Unix seconds: the time asked about, and the arrival of the first image since the exam (re)opened.
    ends
        True if the exam would be decided now: its quiet time or its deadline is over.
    """
    near = now >= opened_at + exam.deadline_seconds - settings.before_deadline_seconds
    return missing_views(images) if ends or near else ()


def is_waited_for(asked_at: float, settings: RetrieveSettings, *, now: float) -> bool:
    """Tell whether an exam still waits for the answer to a question; a clock set back ends it, too."""
    return 0 <= now - asked_at < settings.wait_seconds


def longest_seconds(settings: RetrieveSettings) -> float:
    """Give the longest for one question: the time that its exam waits, and what leaving the association may take."""
    return settings.wait_seconds + settings.move_timeout_seconds + 4 * settings.timeout_seconds
