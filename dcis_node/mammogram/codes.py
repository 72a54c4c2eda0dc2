"""Codes of mammography views, modifiers and sides: SNOMED CT and the older SNOMED values for the same concepts.

Source: PS3.16 CID 4014 (view), CID 4015 (view modifier), CID 244 (laterality), CID 4013 (region), and its map from SRT
to SCT; the tests hold every row against pydicom's dictionaries.
"""

from typing import Final

from pydicom import Dataset

from dcis_node.mammogram.facts import Laterality
from dcis_node.mammogram.values import text

# PS3.16 CID 4014. The names are the abbreviations of the ACR mammography manual, as View Position (0018,5101) has them.
VIEWS: Final[dict[str, str]] = {
    "399162004": "CC",
    "R-10242": "CC",
    "399368009": "MLO",
    "R-10226": "MLO",
    "399260004": "ML",
    "R-10224": "ML",
    "399352003": "LM",
    "R-10228": "LM",
    "399099002": "LMO",
    "R-10230": "LMO",
    "399192008": "XCCL",
    "R-1024A": "XCCL",
    "399101009": "XCCM",
    "R-1024B": "XCCM",
    "399196006": "FB",  # caudo-cranial, "from below"
    "R-10244": "FB",
    "399188001": "SIO",
    "R-102D0": "SIO",
    "441555000": "ISO",
    "R-40AAA": "ISO",
    "127457009": "SPECIMEN",
    "G-8310": "SPECIMEN",
}

# PS3.16 CID 4015.
MODIFIERS: Final[dict[str, str]] = {
    "399161006": "cleavage",
    "R-102D2": "cleavage",
    "399011000": "axillary_tail",
    "R-102D1": "axillary_tail",
    "399197002": "rolled_lateral",
    "R-102D3": "rolled_lateral",
    "399226006": "rolled_medial",
    "R-102D4": "rolled_medial",
    "414493004": "rolled_inferior",
    "R-102CA": "rolled_inferior",
    "415670009": "rolled_superior",
    "R-102C9": "rolled_superior",
    "399209000": "implant_displaced",
    "R-102D5": "implant_displaced",
    "399163009": "magnification",
    "R-102D6": "magnification",
    "399055006": "spot_compression",
    "R-102D7": "spot_compression",
    "399110001": "tangential",
    "R-102C2": "tangential",
    "442581004": "nipple_in_profile",
    "R-40AB3": "nipple_in_profile",
    "441752004": "anterior_compression",
    "P2-00161": "anterior_compression",
    "442593008": "inframammary_fold",
    "R-40ABE": "inframammary_fold",
    "442580003": "axillary_tissue",
    "R-40AB2": "axillary_tissue",
}

# PS3.16 CID 244, and the coded breasts themselves.
SIDES: Final[dict[str, Laterality]] = {
    "7771000": Laterality.LEFT,
    "G-A101": Laterality.LEFT,
    "80248007": Laterality.LEFT,
    "T-04030": Laterality.LEFT,
    "24028007": Laterality.RIGHT,
    "G-A100": Laterality.RIGHT,
    "73056007": Laterality.RIGHT,
    "T-04020": Laterality.RIGHT,
}

# SCT values are all digits, SRT values have a letter and a hyphen, so the designator need not settle which is meant;
# it only has to be SNOMED of some age (PS3.16 8.1: SRT, before it SNM3 and 99SDM), or absent.
SNOMED_DESIGNATORS: Final = frozenset({"SCT", "SRT", "SNM3", "99SDM", "SNOMED-CT", "SNOMED-RT", "SNOMED", ""})


def snomed_value(item: Dataset) -> str:
    """Give the code value of a code sequence item; "" if it is not a SNOMED code."""
    known = text(item, "CodingSchemeDesignator").upper() in SNOMED_DESIGNATORS
    return text(item, "CodeValue").upper() if known else ""
