"""The views of an exam hung in one picture: which view gets which place."""

from dataclasses import dataclass

from dcis_node.mammogram.facts import Reason
from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.hanging import hung, view_labels, view_name
from dcis_node.results.identity import plain
from dcis_node.results.wording import STANDARD_VIEWS

GAP = 6
# Below the standard views: rows of so many places, the right breast's in the left half.
STRIP_COLUMNS = 4
MAX_STRIPS = 2
# Share of the height that a row of further views takes.
STRIP_SHARE = 0.23


@dataclass(frozen=True)
class Box:
    """A part of a picture: its upper left corner and its size, pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Place:
    """One view, or the place that a standard view would have.

    Parameters
    ----------
    image
        None where the exam has no such view.
    label
        `R CC`, `R CC 2`; its first letter decides the half.
    """

    image: SourceImage | None
    label: str

    @property
    def right(self) -> bool:
        """True if it hangs on the viewer's left, with its chest wall on its right."""
        return self.label.startswith("R")


def standard_places(answer: ExamAnswer) -> list[Place]:
    """Give the four standard views as they hang; of several of a name an analysed one, and of these the first."""
    labels, places = view_labels(answer), []
    for name in STANDARD_VIEWS:
        named = [i for i in hung(answer) if view_name(i) == name and i.reason is not Reason.NOT_AN_IMAGE]
        best = min(named, key=lambda image: image.prediction is None, default=None)
        places.append(Place(best, name if best is None else plain(labels[best.header.sop_instance_uid])))
    return places


def further_places(answer: ExamAnswer) -> list[Place]:
    """Give the other analysed views, and those left out of whose name no view hangs.

    So a tomosynthesis object beside the analysed mammogram of its view takes no place; the text names it.
    """
    labels = view_labels(answer)
    standard = [place.image for place in standard_places(answer)]
    shown = {view_name(image) for image in hung(answer) if image.prediction is not None or image in standard}
    found = []
    for image in hung(answer):
        name = "" if image.reason is Reason.NOT_AN_IMAGE else view_name(image)
        if image not in standard and (image.prediction is not None or (name and name not in shown)):
            shown.add(name)
            found.append(Place(image, plain(labels[image.header.sop_instance_uid])))
    return found


def hung_images(answer: ExamAnswer) -> list[SourceImage]:
    """Give every image that has a place, drawn or empty, or would have one if there were room."""
    places = [*standard_places(answer), *further_places(answer)]
    return [place.image for place in places if place.image is not None]


def hang_places(answer: ExamAnswer, area: Box) -> tuple[list[tuple[Place, Box]], list[Place]]:
    """Give each view its box: two rows of the standard views, below them smaller ones from the middle outwards.

    Returns
    -------
    list of (Place, Box), and the places for which there was no room.
    """
    further = further_places(answer)
    halves = [[place for place in further if place.right is right] for right in (True, False)]
    half = STRIP_COLUMNS // 2
    strips = min(MAX_STRIPS, -(-max(len(places) for places in halves) // half))
    strip_height = round(STRIP_SHARE * area.height)
    height = (area.height - GAP - strips * (strip_height + GAP)) // 2
    width = (area.width - GAP) // 2
    seats = []
    for number, place in enumerate(standard_places(answer)):
        row, column = divmod(number, 2)
        seats.append((place, Box(area.left + column * (width + GAP), area.top + row * (height + GAP), width, height)))
    small = (width - (half - 1) * GAP) // half
    for places in halves:
        for number, place in enumerate(places[: strips * half]):
            row, outwards = divmod(number, half)
            column = half - 1 - outwards if place.right else half + outwards
            top = area.top + 2 * (height + GAP) + row * (strip_height + GAP)
            # The two halves of a strip meet where those of the standard views meet.
            left = area.left + (column // half) * (width + GAP) + (column % half) * (small + GAP)
            seats.append((place, Box(left, top, small, strip_height)))
    return seats, [place for places in halves for place in places[strips * half :]]
