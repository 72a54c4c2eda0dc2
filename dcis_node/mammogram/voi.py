"""Read the grey-scale attributes of an image: modality step, VOI choices, polarity, padding (PS3.3 C.11, C.7.5)."""

from itertools import zip_longest
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dcis_node.mammogram.curves import Rescale, Table, Window, WindowFunction
from dcis_node.mammogram.values import is_present, items, number, optional_numbers, text, texts, whole
from dcis_node.mammogram.words import words

# Words that vendors use for their choices; any other explanation is free text and is not kept.
KNOWN_EXPLANATIONS = ("normal", "harder", "softer")


def stored_range(ds: Dataset) -> tuple[int, int]:
    """Give the smallest and largest value that Bits Stored and Pixel Representation allow."""
    bits = whole(ds, "BitsStored") or 16
    bits = bits if 1 <= bits <= 32 else 16
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed(ds) else (0, (1 << bits) - 1)


def is_signed(ds: Dataset) -> bool:
    """Tell whether stored values are two's complement (Pixel Representation 1)."""
    return whole(ds, "PixelRepresentation") == 1


def read_modality(ds: Dataset) -> Rescale | Table:
    """Read the modality step: a Modality LUT Sequence, else Rescale Slope and Intercept, else identity.

    A slope of 0 or a value that is no number counts as absent.
    """
    tables = [_table(item, *stored_range(ds)) for item in items(ds, "ModalityLUTSequence")[:1]]
    if tables and tables[0] is not None:
        return tables[0]
    for place in (ds, *_functional_groups(ds, "PixelValueTransformationSequence")):
        slope = number(place, "RescaleSlope")
        if slope:
            return Rescale(slope, number(place, "RescaleIntercept") or 0.0)
    return Rescale()


def read_tables(ds: Dataset) -> tuple[tuple[Table, str], ...]:
    """Read the usable items of the VOI LUT Sequence, each with its known explanation, in order."""
    low, high = _modality_range(ds)
    read = [(_table(item, low, high), _known(text(item, "LUTExplanation"))) for item in items(ds, "VOILUTSequence")]
    return tuple((table, explanation) for table, explanation in read if table is not None)


def read_windows(ds: Dataset) -> tuple[tuple[Window, str], ...]:
    """Read the usable windows, each with its known explanation, in order.

    A centre without a width, a width that the function forbids and a value that is no number are left out.
    """
    for place in (ds, *_functional_groups(ds, "FrameVOILUTSequence")):
        centers, widths = optional_numbers(place, "WindowCenter"), optional_numbers(place, "WindowWidth")
        function = _function(ds, place)
        read = [_window(center, width, function) for center, width in zip(centers, widths, strict=False)]
        if any(read):
            words_of = zip_longest(read, texts(place, "WindowCenterWidthExplanation")[: len(read)], fillvalue="")
            return tuple((window, _known(word)) for window, word in words_of if isinstance(window, Window))
    return ()


def _window(center: float | None, width: float | None, function: WindowFunction) -> Window | None:
    if center is None or width is None:
        return None
    allowed = width >= 1 if function == "LINEAR" else width > 0
    return Window(center, width, function) if allowed else None


def is_inverted(ds: Dataset) -> bool:
    """Tell whether small values are bright.

    Either sign is enough: MONOCHROME1, or Presentation LUT Shape INVERSE (PS3.3 C.11.6). In a valid DX family image
    they agree (C.8.11.3.1.2); where a file says MONOCHROME1 with IDENTITY, the photometric interpretation is what the
    pixels were made for.
    """
    monochrome1 = text(ds, "PhotometricInterpretation").upper() == "MONOCHROME1"
    return monochrome1 or text(ds, "PresentationLUTShape").upper() == "INVERSE"


def read_padding(ds: Dataset) -> tuple[int, int] | None:
    """Read the range of stored values that is padding (PS3.3 C.7.5.1.1.2); None if there is none."""
    value = whole(ds, "PixelPaddingValue")
    if value is None:
        return None
    limit = whole(ds, "PixelPaddingRangeLimit")
    ends = [_within(end, *stored_range(ds)) for end in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _function(ds: Dataset, place: Dataset) -> WindowFunction:
    """Read VOI LUT Function; LINEAR is the default of C.11.2.1.3, and the answer to an unknown term."""
    name = text(place, "VOILUTFunction").upper()
    if name in get_args(WindowFunction):
        return cast("WindowFunction", name)
    # GE writes the attribute with no value and means its sigmoid (fact of the NKI mammography code; GE only).
    is_ge = text(ds, "Manufacturer").upper().startswith("GE")
    return "SIGMOID" if is_ge and not name and is_present(place, "VOILUTFunction") else "LINEAR"


def _functional_groups(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Find the items of one functional group macro of a multi-frame image: shared, else the first frame's."""
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in items(ds, groups)[:1]:
            found = items(group, keyword)
            if found:
                return found
    return ()


def _modality_range(ds: Dataset) -> tuple[float, float]:
    modality = read_modality(ds)
    if isinstance(modality, Table):
        return 0.0, float(modality.top)
    ends = modality(np.array(stored_range(ds), np.float64))
    return float(ends.min()), float(ends.max())


def _table(item: Dataset, low: float, high: float) -> Table | None:
    """Read one LUT (PS3.3 C.11.1.1 and C.11.2.1.1); None if unusable.

    Parameters
    ----------
    item
        An item with LUT Descriptor and LUT Data.
    low, high
        Range of the values to be looked up; it settles the sign of the first mapped value, whose VR files get wrong.
    """
    descriptor = words(item, "LUTDescriptor")
    if len(descriptor) != 3:
        return None
    count = int(descriptor[0]) & 0xFFFF or 65_536
    first = _within(int(descriptor[1]), low, high)
    entries = _entries(item, count)
    if not entries.size:
        return None
    bits = int(descriptor[2]) & 0xFFFF
    top = (1 << bits) - 1 if 1 <= bits <= 16 else 0
    # A table whose entries exceed its stated depth is scaled by the depth that holds them.
    largest = int(entries.max())
    top = top if largest <= top else (1 << largest.bit_length()) - 1
    return Table(first, entries, top) if top > 0 else None


def _entries(item: Dataset, count: int) -> NDArray[np.int64]:
    """Read LUT Data; entries are unsigned, and 8-bit ones may stand two to a word."""
    data = words(item, "LUTData") & 0xFFFF
    if data.size < count and data.size == (count + 1) // 2:
        data = np.stack([data & 0xFF, data >> 8], axis=1).reshape(-1)
    return np.array(data[:count], np.int64)


def _within(value: int, low: float, high: float) -> int:
    """Read a 16-bit value with the other sign if only that lies in the range."""
    if low <= value <= high:
        return value
    other = value - 65_536 if value >= 32_768 else value + 65_536 if value < 0 else value
    return other if low <= other <= high else value


def _known(explanation: str) -> str:
    word = explanation.strip().lower()
    return word if word in KNOWN_EXPLANATIONS else ""
