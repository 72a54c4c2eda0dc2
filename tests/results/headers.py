"""Mammogram headers that ask to be shown in different ways, for the presentation state."""

import numpy as np
from pydicom import Dataset


def voi_lut(*, count=4096, first=0, bits=12, top=4095, explanation="NORMAL", vr="US"):
    """A lookup table with evenly rising entries from 0 to `top`."""
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [count & 0xFFFF, first if vr == "SS" else first & 0xFFFF, bits])
    item.add_new("LUTData", "OW", np.linspace(0, top, count).astype("<u2").tobytes())
    item.LUTExplanation = explanation
    return item


GREY = {
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "PhotometricInterpretation": "MONOCHROME2",
}
WINDOW = {"WindowCenter": 2000, "WindowWidth": 3000}
SHOWN = {
    "no window": {},
    "window": WINDOW,
    "narrow exact window": {"WindowCenter": 2048.5, "WindowWidth": 0.5, "VOILUTFunction": "LINEAR_EXACT"},
    "exact window": WINDOW | {"VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": WINDOW | {"VOILUTFunction": "SIGMOID"},
    "several windows": {
        "WindowCenter": [1000, 2500, 3000],
        "WindowWidth": [900, 3000, 500],
        "WindowCenterWidthExplanation": ["SOFTER", "NORMAL", "HARDER"],
    },
    "tables of 12 bits": {
        "VOILUTSequence": [voi_lut(top=3000, explanation="SOFTER"), voi_lut(top=4000)],
        "WindowCenter": 9,
        "WindowWidth": 9,
    },
    "table of all 16 bits": {
        "BitsStored": 16,
        "HighBit": 15,
        "VOILUTSequence": [voi_lut(count=65_536, bits=16, top=65_535)],
    },
    "table of signed values": {"PixelRepresentation": 1, "VOILUTSequence": [voi_lut(first=-2048, vr="SS")]},
    "long table of signed values": {
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "VOILUTSequence": [voi_lut(count=50_000, first=-20_000, vr="US")],
    },
    "table that states 16 bits of 12": {"VOILUTSequence": [voi_lut(bits=16)]},
    "MONOCHROME1": WINDOW | {"PhotometricInterpretation": "MONOCHROME1"},
    "MONOCHROME1 with a table": {"PhotometricInterpretation": "MONOCHROME1", "VOILUTSequence": [voi_lut(top=4000)]},
    "INVERSE": WINDOW | {"PresentationLUTShape": "INVERSE"},
    "rescale": WINDOW | {"RescaleSlope": 2, "RescaleIntercept": -1000, "RescaleType": "OD"},
    "rescale of an unknown type": WINDOW
    | {"RescaleSlope": 0.5, "RescaleIntercept": 0, "RescaleType": "for Muster^Anna"},
    "rescale alone": {"RescaleSlope": 2, "RescaleIntercept": -1000},
    "modality table": WINDOW | {"ModalityLUTSequence": [voi_lut(top=3900)]},
    "modality table and table": {"ModalityLUTSequence": [voi_lut()], "VOILUTSequence": [voi_lut(top=4000)]},
    "modality table alone": {"ModalityLUTSequence": [voi_lut()]},
    "padding": WINDOW | {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 10},
}
