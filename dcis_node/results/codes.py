"""Every coded concept that the results use, with its source.

Public codes: PS3.16 (context groups named beside them), as packaged with pydicom. There is no public code for the
probability of high-risk DCIS, so a private scheme holds it, declared in each object as PS3.3 C.12.1.1.3 wants.
(111047, DCM, "Probability of cancer") is never used: the figure is about the grade of a DCIS that is already proven,
and a viewer would show a false claim.
"""

from dataclasses import dataclass

from pydicom.sr.coding import Code

PRIVATE_SCHEME = "99DCISNODE"
# PS3.3 C.12.1.1.3: a private scheme is told apart by its UID; derived once from a fixed name.
PRIVATE_SCHEME_UID = "2.25.70670849677913412643871267156960536986"
PRIVATE_SCHEME_NAME = "dcis-node private codes"

# the tree
REPORT_TITLE = Code("18748-4", "LN", "Diagnostic imaging report")  # CID 7000
IMPRESSIONS = Code("19005-8", "LN", "Impressions")  # CID 7001
IMPRESSION = Code("121073", "DCM", "Impression")  # CID 7002
FINDINGS = Code("59776-5", "LN", "Findings")  # CID 7001
FINDING = Code("121071", "DCM", "Finding")  # CID 7002, TID 1410
PROCEDURE = Code("55111-9", "LN", "Current Procedure Descriptions")  # CID 7001
PROCEDURE_DESCRIPTION = Code("121065", "DCM", "Procedure Description")  # CID 7002
COMMENT = Code("121106", "DCM", "Comment")
MEASUREMENT_TITLE = Code("126000", "DCM", "Imaging Measurement Report")  # CID 7021
MAMMOGRAPHY = Code("71651007", "SCT", "Mammography")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")  # TID 1600
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")

# what was found
CALCIFICATION_CLUSTER = Code("129769006", "SCT", "Calcification Cluster")  # CID 6014
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")  # CID 7150
MODALITY_MG = Code("MG", "DCM", "Mammography")  # CID 29
SOURCE = Code("260753009", "SCT", "Source")  # as highdicom names the entries of an image library
BREAST = Code("76752008", "SCT", "Breast")
SIDE = {"L": Code("7771000", "SCT", "Left"), "R": Code("24028007", "SCT", "Right")}  # CID 244
VIEW = {  # CID 4014
    "CC": Code("399162004", "SCT", "cranio-caudal"),
    "MLO": Code("399368009", "SCT", "medio-lateral oblique"),
    "ML": Code("399260004", "SCT", "medio-lateral"),
    "LM": Code("399352003", "SCT", "latero-medial"),
    "LMO": Code("399099002", "SCT", "latero-medial oblique"),
    "XCCL": Code("399192008", "SCT", "cranio-caudal exaggerated laterally"),
    "XCCM": Code("399101009", "SCT", "cranio-caudal exaggerated medially"),
}

# figures
AREA = Code("42798000", "SCT", "Area")  # CID 7469
LONG_AXIS = Code("103339001", "SCT", "Long Axis")  # CID 7469
CALCIFICATIONS = Code("111038", "DCM", "Number of calcifications")  # TID 4010
PERCENT = Code("%", "UCUM", "percent")
MILLIMETRE = Code("mm", "UCUM", "mm")
SQUARE_MILLIMETRE = Code("mm2", "UCUM", "mm2")
NO_UNITS = Code("1", "UCUM", "no units")
PIXELS = Code("{pixels}", "UCUM", "pixels")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")  # CID 7162
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")  # CID 7005
ACQUISITION_EQUIPMENT = Code("109101", "DCM", "Acquisition Equipment")  # CID 7005

# private values
GIVEN_MARK = Code("GIVENMARK", PRIVATE_SCHEME, "Given mark that centred the analysis")
RISK = Code("RISKCLASS", PRIVATE_SCHEME, "Risk class of the breast at the threshold")
RISK_VALUES = {
    "high": Code("ABOVETHR", PRIVATE_SCHEME, "Above the threshold"),
    "low": Code("BELOWTHR", PRIVATE_SCHEME, "Below the threshold"),
}
INTENDED_USE = Code("USE", PRIVATE_SCHEME, "Intended use")
RESEARCH_ONLY = Code("RUO", PRIVATE_SCHEME, "Research use only, not for clinical use")
SYNTHETIC_ONLY = Code("RUOSYN", PRIVATE_SCHEME, "Synthetic model: figures have no clinical meaning")


@dataclass(frozen=True)
class ProbabilityCodes:
    """The names of the figures of one model; `of_model` says in them when the model is a synthetic one."""

    view: Code
    breast: Code
    patient: Code
    spread: Code
    threshold: Code


def of_model(*, synthetic: bool) -> ProbabilityCodes:
    """Name the figures of a model.

    The code values are the same for every model. The meanings are what a viewer draws beside the outline, cut at the
    edge of its window: so they are short, begin with SYNTHETIC or end with RUO, and say "high risk if DCIS", as the
    figure holds only for a DCIS that biopsy has proven.
    """

    def named(value: str, meaning: str) -> Code:
        return Code(
            value, PRIVATE_SCHEME, f"SYNTHETIC {meaning}" if synthetic else f"{meaning[0].upper()}{meaning[1:]} (RUO)"
        )

    return ProbabilityCodes(
        view=named("PHRDCIS", "high risk if DCIS, view"),
        breast=named("PHRDCISB", "high risk if DCIS, breast"),
        patient=named("PHRDCISP", "high risk if DCIS, patient"),
        spread=named("PHRDCISF", "spread of the networks"),
        threshold=named("PHRDCIST", "threshold for high risk"),
    )
