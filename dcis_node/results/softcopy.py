"""The grey-scale steps of a presentation state: the same display that the node itself uses (PS3.3 C.11, PS3.4 N.2).

A presentation state replaces the whole grey-scale pipeline of its image: what it leaves out is not applied, and the
image's photometric interpretation is ignored (PS3.4 N.2). So each step is written out.
"""

from dataclasses import dataclass

import numpy as np
from highdicom import (
    VOILUT,
    ModalityLUT,
    ModalityLUTTransformation,
    PresentationLUTShapeValues,
    PresentationLUTTransformation,
    RescaleTypeValues,
)
from highdicom.pr import SoftcopyVOILUTTransformation
from numpy.typing import NDArray
from pydicom import Dataset

from dcis_node.mammogram.curves import Rescale, Table, Window
from dcis_node.mammogram.display import choose, transforms
from dcis_node.mammogram.values import items, text

# The depth of every table written: 16 bits are what all viewers read (PS3.3 C.11.2.1.1 allows 10 to 16).
FULL_OUTPUT = (1 << 16) - 1


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
        show many an image nearly black. Without one, a viewer does what it does for the image itself.
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
        voi=_voi(chosen.voi),
        presentation=PresentationLUTTransformation(shape),
    )


def _modality(step: Rescale | Table, attributes: Dataset) -> ModalityLUTTransformation | None:
    if isinstance(step, Table):
        item = next(iter(items(attributes, "ModalityLUTSequence")), attributes)
        # Not scaled: the entries are the values that the VOI step is written for.
        lut = ModalityLUT(_type(item, "ModalityLUTType"), max(step.first, 0), step.entries.astype(np.uint16))
        _describe(lut, step)
        return ModalityLUTTransformation(modality_lut=lut)
    if step == Rescale():
        return None
    return ModalityLUTTransformation(step.intercept, step.slope, _type(attributes, "RescaleType"))


def _type(ds: Dataset, keyword: str) -> str:
    """Give what the values mean, where that is one of the defined terms; else US, unspecified (PS3.3 C.11.1.1.2)."""
    stated = text(ds, keyword).upper()
    return stated if stated in {term.value for term in RescaleTypeValues} else RescaleTypeValues.US.value


def _voi(step: object) -> SoftcopyVOILUTTransformation | None:
    if isinstance(step, Window):
        return SoftcopyVOILUTTransformation(step.center, step.width, voi_lut_function=step.function)
    if isinstance(step, Table):
        # highdicom states 16 bits whatever the data; data of 12 bits would then show 16 times too dark.
        lut = VOILUT(max(step.first, 0), full_depth(step))
        _describe(lut, step)
        return SoftcopyVOILUTTransformation(voi_luts=[lut])
    return None


def full_depth(table: Table) -> NDArray[np.uint16]:
    """Scale the entries of a table so that its full output is that of 16 bits."""
    return np.asarray(np.rint(table.entries * (FULL_OUTPUT / table.top)), np.uint16)


def _describe(lut: Dataset, table: Table) -> None:
    """Put on a LUT its descriptor with the VR that the first mapped value needs, which highdicom leaves open."""
    count = len(table.entries) & 0xFFFF
    if table.first < 0:  # SS then, and the number of entries is still read as unsigned (PS3.3 C.11.1.1)
        lut.add_new("LUTDescriptor", "SS", [count - 65_536 if count > 32_767 else count, table.first, 16])
    else:
        lut.add_new("LUTDescriptor", "US", [count, table.first, 16])
    lut.add_new("LUTData", "OW", lut.LUTData)
