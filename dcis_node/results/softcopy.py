"""The grey-scale steps of a presentation state: the same display that the node itself uses (PS3.3 C.11, PS3.4 N.2).

A presentation state replaces the whole grey-scale pipeline of its image: what it leaves out is not applied, and the
image's photometric interpretation is ignored (PS3.4 N.2). So each step is written out.
"""

from dataclasses import dataclass

import numpy as np
from highdicom import (
    VOILUT,
    ModalityLUTTransformation,
    PresentationLUTShapeValues,
    PresentationLUTTransformation,
    RescaleTypeValues,
)
from highdicom.pr import SoftcopyVOILUTTransformation
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.tag import Tag

from dcis_node.mammogram.curves import FullRange, Rescale, Table, Window
from dcis_node.mammogram.display import DisplayTransform, choose, transforms
from dcis_node.mammogram.values import text

# The depth of every table written: what all viewers read (PS3.3 C.11.2.1.1 allows 10 to 16).
_BITS = 16
_FULL_OUTPUT = (1 << _BITS) - 1
_DESCRIPTOR = Tag("LUTDescriptor")


@dataclass(frozen=True, eq=False)
class GreySteps:
    """The three steps.

    Parameters
    ----------
    modality
        None where stored values are taken as they are.
    voi
        One window or one table; None where the image offers neither. The node's own display then runs from the
        smallest to the largest value of the pixels, which no header tells, and a window over all possible values would
        show many an image nearly black. Without one, a viewer can do what it does for the image itself.
    presentation
        INVERSE where small values are bright.
    """

    modality: ModalityLUTTransformation | None
    voi: SoftcopyVOILUTTransformation | None
    presentation: PresentationLUTTransformation


def grey_steps(attributes: Dataset) -> GreySteps:
    """Write out the display transform that the node chooses for an image.

    Parameters
    ----------
    attributes
        The image's header. Only numbers and known words are taken from it, no free text.
    """
    chosen = choose(transforms(attributes))
    shape = PresentationLUTShapeValues.INVERSE if chosen.inverted else PresentationLUTShapeValues.IDENTITY
    return GreySteps(
        modality=_modality(chosen.modality, attributes),
        voi=_voi(_voi_step(chosen)),
        presentation=PresentationLUTTransformation(shape),
    )


def _modality(step: Rescale | Table, attributes: Dataset) -> ModalityLUTTransformation | None:
    if isinstance(step, Table) or step == Rescale():
        return None
    stated = text(attributes, "RescaleType").upper()
    # One of the defined terms of PS3.3 C.11.1.1.2, else US: unspecified.
    known = stated in {term.value for term in RescaleTypeValues}
    return ModalityLUTTransformation(step.intercept, step.slope, stated if known else RescaleTypeValues.US)


def _voi_step(chosen: DisplayTransform) -> Window | Table | None:
    """Give the VOI step, with a Modality LUT folded into it.

    A Modality LUT of 8 to 15 used bits has no form that the validators take (they want 8 or 16), and no mammogram
    should have one: the module is not in its IOD (PS3.3 A.26).
    """
    table, voi = chosen.modality, chosen.voi
    if not isinstance(table, Table):
        return None if isinstance(voi, FullRange) else voi
    if isinstance(voi, FullRange):
        return table
    unit = voi.unit(table.entries.astype(np.float64))
    return Table(table.first, np.rint(unit * _FULL_OUTPUT).astype(np.int64), _FULL_OUTPUT)


def _voi(step: Window | Table | None) -> SoftcopyVOILUTTransformation | None:
    if isinstance(step, Window):
        return SoftcopyVOILUTTransformation(step.center, step.width, voi_lut_function=step.function)
    return None if step is None else SoftcopyVOILUTTransformation(voi_luts=[_voi_lut(step)])


def used_depth(table: Table) -> int:
    """Give the largest entry that the bits in use can hold.

    A table that never reaches the upper half of its stated depth states a wrong one: 12 bits of data under a 16, as
    some software writes, would show the image 16 times too dark. dcmtk reads it in the same way.
    """
    return (1 << int(table.entries.max()).bit_length()) - 1 or table.top


def _voi_lut(table: Table) -> VOILUT:
    """Give a table of 16 bits whose data use 16 bits; highdicom states 16 whatever the data."""
    scaled = np.rint(table.entries * (_FULL_OUTPUT / used_depth(table))).astype(np.uint16)
    lut = VOILUT(max(table.first, 0), scaled)
    # With the VR that the first mapped value needs, which highdicom leaves open; the number of entries counts as
    # unsigned in either (PS3.3 C.11.2.1.1), and pydicom writes it so.
    descriptor = [len(scaled) & 0xFFFF, table.first, _BITS]
    lut[_DESCRIPTOR] = DataElement(_DESCRIPTOR, "SS" if table.first < 0 else "US", descriptor, validation_mode=IGNORE)
    lut.add_new("LUTData", "OW", lut.LUTData)
    return lut
