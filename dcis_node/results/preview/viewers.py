"""What the viewer behind each profile does with each kind of object: measured for OHIF, the usual for the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom import Dataset

from dcis_node.results.kinds import ResultKind
from dcis_node.results.preview.drawing import Drawing
from dcis_node.results.preview.overlays import read_marks, read_presentation, read_segmentation
from dcis_node.results.preview.reports import read_regions, read_regions_of_first_view
from dcis_node.results.profiles import Profile

NAMES: Mapping[ResultKind, str] = MappingProxyType(
    {
        ResultKind.READABLE_REPORT: "readable report",
        ResultKind.MEASUREMENT_REPORT: "measurement report",
        ResultKind.VIEW_MEASUREMENT_REPORT: "measurement report of a view",
        ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE: "measurement report",
        ResultKind.CAD_REPORT: "Mammography CAD SR",
        ResultKind.SUMMARY_IMAGE: "summary image",
        ResultKind.SEGMENTATION: "segmentation",
        ResultKind.PRESENTATION_STATE: "presentation state",
    }
)

# In the order in which they are laid over the image: a fill below the lines.
READERS: Mapping[ResultKind, Callable[[Dataset], tuple[Drawing, ...]]] = MappingProxyType(
    {
        ResultKind.SEGMENTATION: read_segmentation,
        ResultKind.VIEW_MEASUREMENT_REPORT: read_regions,
        ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE: read_regions_of_first_view,
        ResultKind.CAD_REPORT: read_marks,
        ResultKind.PRESENTATION_STATE: read_presentation,
    }
)


@dataclass(frozen=True)
class Viewer:
    """What a viewer shows.

    Parameters
    ----------
    about
        Which viewer is meant.
    draws
        Kinds that it draws over the images.
    opens
        Kinds that it opens beside the images: a report as text, a picture.
    """

    about: str
    draws: frozenset[ResultKind]
    opens: frozenset[ResultKind]

    def does(self, kind: ResultKind) -> str:
        """Say what it does with a kind."""
        if kind in self.draws:
            return "drawn over the images"
        if kind not in self.opens:
            return "kept, not shown"
        return "opens as a picture" if kind is ResultKind.SUMMARY_IMAGE else "opens as text"


_PAGES = frozenset({ResultKind.READABLE_REPORT, ResultKind.SUMMARY_IMAGE})
# What the profile `ohif` sends, and what it sends instead by the switch.
_MEASUREMENTS = frozenset({ResultKind.VIEW_MEASUREMENT_REPORT, ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE})
VIEWERS: Mapping[Profile, Viewer] = MappingProxyType(
    {
        Profile.GENERIC: Viewer(
            "a PACS viewer that draws presentation states and opens reports as text",
            frozenset({ResultKind.PRESENTATION_STATE}),
            _PAGES,
        ),
        Profile.OHIF: Viewer("OHIF 3.13, as measured", _MEASUREMENTS | {ResultKind.SEGMENTATION}, _PAGES),
        Profile.MAMMO_WORKSTATION: Viewer(
            "a mammography workstation with its CAD marks switched on",
            frozenset({ResultKind.PRESENTATION_STATE, ResultKind.CAD_REPORT}),
            _PAGES,
        ),
        Profile.ARCHIVE: Viewer("no viewer; the text for whoever fetches the exam", frozenset(), _PAGES),
    }
)
