"""Where an exam's missing views are asked for, when, and how long an exam waits for them."""

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from dcis_node.config.base import AETitle, AsTuple, Name, Settings
from dcis_node.config.delivery import DestinationTls

Seconds = Annotated[float, Field(gt=0, le=3600)]


class SourceSettings(Settings):
    """One query/retrieve SCP that is asked.

    `calling_aet`: ours towards it; node.aet if left out. `move_to`: our AE title as it knows us, by which it finds our
    address and port; node.aet if left out.
    """

    name: Name
    host: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]
    aet: AETitle
    calling_aet: AETitle | None = None
    move_to: AETitle | None = None
    tls: DestinationTls = DestinationTls()


class RetrieveSettings(Settings):
    """Missing views; nothing is asked without a source.

    An exam that lacks a standard view is asked for `before_deadline_seconds` before its deadline, or when its quiet
    time ends, whichever comes first, once from each source. It is decided when the answers are there, at the latest
    `wait_seconds` after it was asked for. `priors`: earlier mammograms of the patient are fetched, too; no exam waits
    for them.
    """

    sources: Annotated[tuple[SourceSettings, ...], AsTuple] = ()
    before_deadline_seconds: Annotated[float, Field(ge=1, le=604800)] = 300.0
    wait_seconds: Annotated[float, Field(ge=1, le=86400)] = 300.0
    timeout_seconds: Seconds = 20.0
    move_timeout_seconds: Seconds = 60.0
    max_tries: Annotated[int, Field(ge=1, le=10)] = 3
    retry_seconds: Seconds = 10.0
    most_images: Annotated[int, Field(ge=1, le=1000)] = 64
    priors: bool = False
    priors_years: Annotated[float, Field(gt=0, le=100)] = 5.0
    most_priors: Annotated[int, Field(ge=1, le=20)] = 2

    @field_validator("sources")
    @classmethod
    def _names_are_unique(cls, value: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [source.name for source in value]
        if len(set(names)) != len(names):
            msg = "two sources have the same name"
            raise ValueError(msg)
        return value
