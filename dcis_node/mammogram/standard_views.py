"""Which of the standard views of a screening exam are there, side by side. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dcis_node.mammogram.facts import MammogramHeader

STANDARD_VIEWS = frozenset({"CC", "MLO"})
SIDES = frozenset({"L", "R"})
# Partial View (0028,1350): a large breast is stored as a mosaic, so one tile alone is half a view (PS3.3 C.8.11.7).
TILES_OF_A_VIEW = 2


@dataclass(frozen=True)
class ImagePresent:
    """One image of an exam as the rule sees it.

    Parameters
    ----------
    laterality, view
        `L` or `R`, and the defined term of the view such as `CC`; "" where unknown.
    usable
        True if the image is eligible and its analysis is pending, under way or done; False if it never will be used.
    partial
        True if the image is one tile of a large breast.
    """

    laterality: str
    view: str
    usable: bool
    partial: bool = False


def image_present(header: MammogramHeader, *, usable: bool) -> ImagePresent:
    """Give an image as the rules over an exam see it."""
    return ImagePresent(
        laterality=header.laterality or "",
        view=header.view or "",
        usable=usable,
        partial=header.partial_view is True,
    )


def standard_views(images: Sequence[ImagePresent], side: str) -> frozenset[str]:
    """Name the standard views of a side that are there in full."""
    usable = [image for image in images if image.usable and image.laterality == side]
    whole = {image.view for image in usable if not image.partial}
    tiles = [image.view for image in usable if image.partial]
    mosaics = {view for view in tiles if tiles.count(view) >= TILES_OF_A_VIEW}
    return frozenset(whole | mosaics) & STANDARD_VIEWS


def missing_views(images: Sequence[ImagePresent]) -> tuple[str, ...]:
    """Name the standard views that a breast lacks of which there is an image, as they hang: `R CC`, `L CC`, `R MLO` ...

    An image that is not used counts as an image of its breast, too: the exam is of that breast.
    """
    seen = {image.laterality for image in images} & SIDES
    return tuple(
        f"{side} {view}"
        for view in sorted(STANDARD_VIEWS)
        for side in sorted(SIDES, reverse=True)
        if side in seen and view not in standard_views(images, side)
    )
