"""Read free text for what mammography labels say: `RMLO`, `L CC`, `MLOID`, `R XCCL SPOT MAG`.

Text is the last source (codes first), but some vendors write nothing else.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeVar

from dcis_node.mammogram.facts import Laterality

T = TypeVar("T")

# A whole word of the form [side][M or S]view[modifiers], after the labels of the ACR manual (side, then a prefix or a
# suffix). Only views of this list may stand glued to something; "AT" or "RL" alone would be found in ordinary words.
_GLUED: Final = re.compile(
    r"(?P<side>[RL])?(?P<prefix>[MS]{0,2})(?P<view>XCCL|XCCM|XCC|MLO|LMO|SIO|ISO|CC|ML|LM|FB)"
    r"(?P<suffix>(?:ID|MAG|SPOT|SPT|RL|RM|RI|RS|TAN|AT|CV|M|S)*)"
)
_SUFFIX: Final = re.compile(r"ID|MAG|SPOT|SPT|RL|RM|RI|RS|TAN|AT|CV|M|S")
_AFFIXES: Final[dict[str, str]] = {
    "M": "magnification",
    "MAG": "magnification",
    "S": "spot_compression",
    "SPOT": "spot_compression",
    "SPT": "spot_compression",
    "ID": "implant_displaced",
    "RL": "rolled_lateral",
    "RM": "rolled_medial",
    "RI": "rolled_inferior",
    "RS": "rolled_superior",
    "TAN": "tangential",
    "AT": "axillary_tail",
    "CV": "cleavage",
}
_WORDS: Final[dict[str, str]] = {
    "MAG": "magnification",
    "MAGN": "magnification",
    "MAGNIFICATION": "magnification",
    "MAGNIFIED": "magnification",
    "SPOT": "spot_compression",
    "SPT": "spot_compression",
    "TAN": "tangential",
    "TANGENTIAL": "tangential",
    "EKLUND": "implant_displaced",
    "ID": "implant_displaced",
}
_SIDES: Final[dict[str, Laterality]] = {
    "R": Laterality.RIGHT,
    "RIGHT": Laterality.RIGHT,
    "L": Laterality.LEFT,
    "LEFT": Laterality.LEFT,
}
# Defined terms which are too short to be looked for in running text; taken only as the whole of View Position.
_WHOLE_TERMS: Final = ("RL", "RM", "RI", "RS", "AT", "CV", "LL", "TAN", "SPECIMEN")
# "MAG" not inside IMAGE or IMAGING; "SPOT"/"SPT" anywhere (paddles are named like "10CM SPOT", "MAGSPOT").
_PADDLE_MAGNIFIES: Final = re.compile(r"(?<!I)MAG")
_PADDLE_IS_SPOT: Final = re.compile(r"SPOT|SPT")


@dataclass(frozen=True)
class Label:
    """What a text says; None and () where it says nothing."""

    side: Laterality | None = None
    view: str | None = None
    modifiers: tuple[str, ...] = ()


def read_label(label: str) -> Label:
    """Read a text that names a view, such as a View Position or a description.

    A text that names both sides, or several views, speaks of more than one image and tells neither.
    """
    plain = label.upper().strip()
    if plain in _WHOLE_TERMS:
        return Label(view=plain)
    sides: set[Laterality] = set()
    views: set[str] = set()
    modifiers: list[str] = []
    for word in re.findall(r"[A-Z]+", plain):
        if word in _SIDES:
            sides.add(_SIDES[word])
        elif word in _WORDS:
            modifiers.append(_WORDS[word])
        elif (glued := _GLUED.fullmatch(word)) is not None:
            sides |= {_SIDES[side] for side in (glued["side"],) if side}
            views.add(glued["view"])
            modifiers += [_AFFIXES[part] for part in (*glued["prefix"], *_SUFFIX.findall(glued["suffix"]))]
    return Label(_only(sides), _only(views), tuple(dict.fromkeys(modifiers)))


def _only(found: set[T]) -> T | None:
    return next(iter(found)) if len(found) == 1 else None


def read_paddle(description: str) -> tuple[str, ...]:
    """Tell what Paddle Description (0018,11A4) says: `magnification`, `spot_compression`, both or none."""
    plain = description.upper()
    magnifies = ("magnification",) if _PADDLE_MAGNIFIES.search(plain) else ()
    return magnifies + (("spot_compression",) if _PADDLE_IS_SPOT.search(plain) else ())
