"""What the viewer behind each profile does with each kind of object: measured for OHIF, the usual for the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom import Dataset

from dcis_node.results.kinds import ResultKind
from dcis_node.results.preview.drawing import Drawing
from dcis_node.results.preview.overlays import read_marks, read_presentation, read_segmentation
from dcis_node.results.preview.reports import read_regions
from dcis_node.results.profiles import Profile

NAMES: Mapping[ResultKind, str] = MappingProxyType(
    {
        ResultKind.READABLE_REPORT: "readable report",
        ResultKind.MEASUREMENT_REPORT: "measurement report",
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
        ResultKind.MEASUREMENT_REPORT: read_regions,
        ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE: read_regions,
        ResultKind.CAD_REPORT: read_marks,
        ResultKind.PRESENTATION_STATE: read_presentation,
    }
)


@dataclass(frozen=True)
class Viewer:
    """What a viewer shows.

    Parameters
    ----------
    draws
        Kinds that it draws over the images.
    opens
        Kinds that it opens beside the images: a report as text, a picture.
    """

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
VIEWERS: Mapping[Profile, Viewer] = MappingProxyType(
    {
        Profile.GENERIC: Viewer(frozenset({ResultKind.PRESENTATION_STATE}), _PAGES),
        Profile.OHIF: Viewer(
            frozenset(
                {
                    ResultKind.SEGMENTATION,
                    ResultKind.MEASUREMENT_REPORT,
                    ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE,
                }
            ),
            _PAGES,
        ),
        Profile.MAMMO_WORKSTATION: Viewer(frozenset({ResultKind.PRESENTATION_STATE, ResultKind.CAD_REPORT}), _PAGES),
        # Nobody looks there; the text is shown for whoever fetches the exam.
        Profile.ARCHIVE: Viewer(frozenset(), _PAGES),
    }
)
