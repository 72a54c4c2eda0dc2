"""Which objects a destination gets: a profile is what the viewers behind it show.

`TABLE` is the whole truth, one reason a cell; docs/profiles.md holds the same table, and a test holds the two together.
"""

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


class When(StrEnum):
    """When a profile sends a kind of object."""

    SENT = "sent"
    NOTHING_OUTLINED = "when nothing was outlined"
    NOT_SENT = "not sent"


@dataclass(frozen=True)
class Cell:
    """One cell of the table: when a profile sends a kind, and why."""

    when: When
    why: str


_READ_FIRST = Cell(When.SENT, "what a person reads first; in every exam")
_FIGURES = Cell(When.SENT, "the figures as data, for any program that reads them later")
_ONE_FOR_ALL = Cell(When.NOT_SENT, "the measurement report holds the figures of all views")
_UNSEEN = "a viewer that shows reports badly must not hide a refusal or an empty finding"
_PICTURE_IF_NOTHING = Cell(When.NOTHING_OUTLINED, _UNSEEN)

# Comprehensive SR takes the place of another kind (`Destination.comprehensive`), so it has no row. Rows: see the docs.
TABLE: Mapping[Profile, Mapping[ResultKind, Cell]] = MappingProxyType(
    {
        Profile.GENERIC: MappingProxyType(
            {
                ResultKind.READABLE_REPORT: _READ_FIRST,
                ResultKind.MEASUREMENT_REPORT: _FIGURES,
                ResultKind.VIEW_MEASUREMENT_REPORT: _ONE_FOR_ALL,
                ResultKind.SEGMENTATION: Cell(When.SENT, "drawn by newer viewers, and the exact pixels for the others"),
                ResultKind.PRESENTATION_STATE: Cell(When.SENT, "the overlay that most PACS viewers draw"),
                ResultKind.CAD_REPORT: Cell(
                    When.NOT_SENT, "only mammography workstations draw it; elsewhere one more report nobody can open"
                ),
                ResultKind.SUMMARY_IMAGE: Cell(When.SENT, "nothing is known of the viewer: every one shows a picture"),
            }
        ),
        Profile.OHIF: MappingProxyType(
            {
                ResultKind.READABLE_REPORT: _READ_FIRST,
                ResultKind.MEASUREMENT_REPORT: Cell(
                    When.NOT_SENT, "OHIF draws only its first view; a report for each view is sent instead"
                ),
                ResultKind.VIEW_MEASUREMENT_REPORT: Cell(
                    When.SENT, "OHIF draws its outlines and the first five figures, on each view"
                ),
                ResultKind.SEGMENTATION: Cell(When.SENT, "OHIF draws it over the image"),
                ResultKind.PRESENTATION_STATE: Cell(When.NOT_SENT, "OHIF lists it as unsupported, with a warning"),
                ResultKind.CAD_REPORT: Cell(When.NOT_SENT, "OHIF draws no mark of it"),
                ResultKind.SUMMARY_IMAGE: _PICTURE_IF_NOTHING,
            }
        ),
        Profile.MAMMO_WORKSTATION: MappingProxyType(
            {
                ResultKind.READABLE_REPORT: _READ_FIRST,
                ResultKind.MEASUREMENT_REPORT: _FIGURES,
                ResultKind.VIEW_MEASUREMENT_REPORT: _ONE_FOR_ALL,
                ResultKind.SEGMENTATION: Cell(
                    When.NOT_SENT, "few draw it; others hang it as a black and white picture beside the mammograms"
                ),
                ResultKind.PRESENTATION_STATE: Cell(When.SENT, "outline and figures, which a CAD mark does not carry"),
                ResultKind.CAD_REPORT: Cell(When.SENT, "its CAD button shows the marks, as the reader is used to"),
                ResultKind.SUMMARY_IMAGE: Cell(When.SENT, "few show a report: the figures at a glance"),
            }
        ),
        Profile.ARCHIVE: MappingProxyType(
            {
                ResultKind.READABLE_REPORT: _READ_FIRST,
                ResultKind.MEASUREMENT_REPORT: _FIGURES,
                ResultKind.VIEW_MEASUREMENT_REPORT: _ONE_FOR_ALL,
                ResultKind.SEGMENTATION: Cell(When.SENT, "the exact pixels, for research and for later viewers"),
                ResultKind.PRESENTATION_STATE: Cell(When.SENT, "for whatever viewer the exam is fetched to later"),
                ResultKind.CAD_REPORT: Cell(When.SENT, "for a workstation that the exam is fetched to later"),
                ResultKind.SUMMARY_IMAGE: Cell(
                    When.NOTHING_OUTLINED,
                    "drawn from the others, and the largest; alone it says to later viewers why there are no others",
                ),
            }
        ),
    }
)


@dataclass(frozen=True)
class Destination:
    """One place where results go, as far as the results are concerned.

    Parameters
    ----------
    comprehensive
        True sends Comprehensive SR only, for a PACS that does not take Comprehensive 3D SR: one measurement report for
        the exam, also where the profile sends one for each view.
    senders
        AE titles: only exams that one of them has sent go there; empty means all exams.
    """

    name: str
    profile: Profile = Profile.GENERIC
    comprehensive: bool = False
    senders: frozenset[str] = frozenset()

    def serves(self, senders: frozenset[str]) -> bool:
        """Tell whether an exam of these senders goes there; one whose sender nobody knows goes everywhere."""
        return not self.senders or not senders or bool(self.senders & senders)

    def kinds(self, *, outlined: bool) -> frozenset[ResultKind]:
        """Give the kinds that go there, as far as an exam has anything for them.

        Parameters
        ----------
        outlined
            True if something was outlined in the exam.
        """
        return self._kinds({When.SENT} if outlined else {When.SENT, When.NOTHING_OUTLINED})

    @property
    def every_kind(self) -> frozenset[ResultKind]:
        """What it must be able to take: the kinds that go there in any exam."""
        return self._kinds({When.SENT, When.NOTHING_OUTLINED})

    def _kinds(self, whens: Iterable[When]) -> frozenset[ResultKind]:
        kinds = frozenset(kind for kind, cell in TABLE[self.profile].items() if cell.when in whens)
        if not self.comprehensive:
            return kinds
        newer_class = {ResultKind.MEASUREMENT_REPORT, ResultKind.VIEW_MEASUREMENT_REPORT}
        return kinds - newer_class | {ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE}


def kinds_to_build(destinations: Iterable[Destination], *, outlined: bool) -> frozenset[ResultKind]:
    """Give all kinds that any destination wants; where there is none those of `generic`, to be looked at."""
    wanted = [destination.kinds(outlined=outlined) for destination in destinations]
    return frozenset().union(*wanted) if wanted else Destination("", Profile.GENERIC).kinds(outlined=outlined)
