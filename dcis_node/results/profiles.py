"""Which objects a destination gets: a profile is what the viewers behind it show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from dcis_node.results.kinds import ResultKind


class Profile(StrEnum):
    """The profiles that config.toml may name."""

    GENERIC = "generic"
    OHIF = "ohif"
    MAMMO_WORKSTATION = "mammo-workstation"
    ARCHIVE = "archive"


ALWAYS = frozenset({ResultKind.READABLE_REPORT, ResultKind.MEASUREMENT_REPORT})

PROFILES: Mapping[Profile, frozenset[ResultKind]] = MappingProxyType(
    {
        # Nothing is known of the viewer, so everything a common PACS draws; the picture, as many show no SR.
        Profile.GENERIC: ALWAYS | {ResultKind.SEGMENTATION, ResultKind.PRESENTATION_STATE, ResultKind.SUMMARY_IMAGE},
        # Draws SR and SEG; lists a presentation state as "unsupported", so it gets none.
        Profile.OHIF: ALWAYS | {ResultKind.SEGMENTATION},
        # Draws CAD marks and presentation states, and few draw a SEG or TID 1500; so the picture too.
        Profile.MAMMO_WORKSTATION: ALWAYS
        | {ResultKind.CAD_REPORT, ResultKind.PRESENTATION_STATE, ResultKind.SUMMARY_IMAGE},
        # Nobody looks there: whatever a later reader or program may want.
        Profile.ARCHIVE: ALWAYS | {ResultKind.SEGMENTATION, ResultKind.PRESENTATION_STATE, ResultKind.CAD_REPORT},
    }
)


@dataclass(frozen=True)
class Destination:
    """One place where results go, as far as the results are concerned.

    Parameters
    ----------
    comprehensive
        True sends the measurement report as Comprehensive SR, for a PACS that does not take Comprehensive 3D SR.
    """

    name: str
    profile: Profile = Profile.GENERIC
    comprehensive: bool = False

    def kinds(self, *, outlined: bool) -> frozenset[ResultKind]:
        """Give the kinds that go there.

        Parameters
        ----------
        outlined
            True if something was outlined in the exam. If not, the summary image goes everywhere: a viewer that shows
            reports badly must not leave "nothing found" or "not analysed" unseen.
        """
        kinds = PROFILES[self.profile] | (frozenset() if outlined else {ResultKind.SUMMARY_IMAGE})
        if not self.comprehensive:
            return kinds
        return kinds - {ResultKind.MEASUREMENT_REPORT} | {ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE}


def kinds_to_build(destinations: Iterable[Destination], *, outlined: bool) -> frozenset[ResultKind]:
    """Give all kinds that any destination wants; where there is none those of `generic`, to be looked at."""
    wanted = [destination.kinds(outlined=outlined) for destination in destinations]
    return frozenset().union(*wanted) if wanted else Destination("", Profile.GENERIC).kinds(outlined=outlined)
