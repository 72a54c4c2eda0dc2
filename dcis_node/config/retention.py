"""How long images, results and rows stay."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from dcis_node.config.base import AsTuple, Settings

# A fraction of a day is for tests and for time that runs faster.
Days = Annotated[float, Field(ge=0, le=36500)]


class RetentionSettings(Settings):
    """What leaves this node, and when; days count from the moment an exam was done (see `storage.retention_rule`).

    0 days is never. `free_bytes`: with less free than this, images go earlier, but never in their first `least_days`.
    `cohorts`: folders of training cohorts; an image that one of them names stays.
    """

    images_days: Days = 30.0
    results_days: Days = 0.0
    rows_days: Days = 0.0
    free_bytes: Annotated[int, Field(ge=0)] = 10737418240
    least_days: Days = 1.0
    cohorts: Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], AsTuple] = ()

    @model_validator(mode="after")
    def _what_needs_what_goes_last(self) -> "RetentionSettings":
        days = [value or float("inf") for value in (self.images_days, self.results_days, self.rows_days)]
        if days != sorted(days):
            msg = "images_days <= results_days <= rows_days must hold (0 = never)"
            raise ValueError(msg)
        if self.images_days and self.least_days > self.images_days:
            msg = "least_days <= images_days must hold"
            raise ValueError(msg)
        return self
