"""Every coded concept that the results use, with its source.

Public codes: PS3.16 (context groups named beside them), as packaged with pydicom. There is no public code for the
probability of high-risk DCIS, so a private scheme holds it, declared in each object as PS3.3 C.12.1.1.3 wants.
(111047, DCM, "Probability of cancer") is never used: the figure is about the grade of a DCIS that is already proven,
and a viewer would show a false claim.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.sr.coding import Code

from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import Risk

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
LATERALITY = Code("272741003", "SCT", "Laterality")
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
# CID 7469, in the spelling of SNOMED: OHIF draws "Long Axis" as "L: :".
LONG_AXIS = Code("103339001", "SCT", "Long axis")
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
    "high": Code("ABOVETHR", PRIVATE_SCHEME, "At or above the threshold for high risk"),
    "low": Code("BELOWTHR", PRIVATE_SCHEME, "Below the threshold for high risk"),
}
INTENDED_USE = Code("USE", PRIVATE_SCHEME, "Intended use")
RESEARCH_ONLY = Code("RUO", PRIVATE_SCHEME, "Research use only, not for clinical use")
SYNTHETIC_ONLY = Code("RUOSYN", PRIVATE_SCHEME, "Synthetic model: figures have no clinical meaning")

# What came out of an exam or of a breast, by its risk.
OUTCOMES: Mapping[Risk, Code] = MappingProxyType(
    {
        Risk.HIGH: RISK_VALUES["high"],
        Risk.LOW: RISK_VALUES["low"],
        Risk.NO_LESION: Code("NOFINDING", PRIVATE_SCHEME, "No calcifications found"),
        Risk.NOT_ANALYSED: Code("NOTANALYSED", PRIVATE_SCHEME, "Not analysed"),
    }
)
OUTCOME = Code("OUTCOME", PRIVATE_SCHEME, "Outcome of the exam")

# What a reader has to mind, by the flags of `dcis_node.model.evidence.BreastDecision`.
FLAG = Code("FLAG", PRIVATE_SCHEME, "To be minded")
FLAGS: Mapping[str, Code] = MappingProxyType(
    {
        "views_disagree": Code("VIEWSDISAGREE", PRIVATE_SCHEME, "Note: the two views disagree"),
        "folds_disagree": Code("FOLDSDISAGREE", PRIVATE_SCHEME, "Note: the networks of the ensemble disagree"),
        "no_standard_view": Code("NOSTANDARDVIEW", PRIVATE_SCHEME, "Note: no CC or MLO view was analysed"),
        "single_view": Code("SINGLEVIEW", PRIVATE_SCHEME, "Note: only one standard view was analysed"),
    }
)

# Why an object was not used. Each value of Reason has a code; a code never changes its meaning.
USE_OF_IMAGE = Code("USEOFIMAGE", PRIVATE_SCHEME, "Use of an image")
REASONS: Mapping[Reason, Code] = MappingProxyType(
    {
        Reason.ELIGIBLE: Code("ELIGIBLE", PRIVATE_SCHEME, "Analysed"),
        Reason.NOT_AN_IMAGE: Code("NOTANIMAGE", PRIVATE_SCHEME, "Not used: no image"),
        Reason.NOT_MAMMOGRAPHY: Code("NOTMAMMOGRAPHY", PRIVATE_SCHEME, "Not used: no digital mammogram"),
        Reason.SECONDARY_CAPTURE: Code("SECONDARYCAPTURE", PRIVATE_SCHEME, "Not used: secondary capture"),
        Reason.FOR_PROCESSING: Code("FORPROCESSING", PRIVATE_SCHEME, "Not used: raw image (FOR PROCESSING)"),
        Reason.TOMOSYNTHESIS: Code("TOMOSYNTHESIS", PRIVATE_SCHEME, "Not used: tomosynthesis"),
        Reason.SYNTHETIC_2D: Code("SYNTHETIC2D", PRIVATE_SCHEME, "Not used: synthetic 2D view from tomosynthesis"),
        Reason.CONTRAST_ENHANCED: Code("CONTRASTENHANCED", PRIVATE_SCHEME, "Not used: contrast-enhanced mammogram"),
        Reason.MAGNIFICATION_VIEW: Code("MAGNIFICATION", PRIVATE_SCHEME, "Not used: magnification view"),
        Reason.SPOT_COMPRESSION_VIEW: Code("SPOTCOMPRESSION", PRIVATE_SCHEME, "Not used: spot compression view"),
        Reason.SPECIMEN: Code("SPECIMEN", PRIVATE_SCHEME, "Not used: specimen"),
        Reason.STEREOTACTIC: Code("STEREOTACTIC", PRIVATE_SCHEME, "Not used: stereotactic procedure"),
        Reason.IMPLANT_NOT_DISPLACED: Code("IMPLANT", PRIVATE_SCHEME, "Not used: implant not displaced"),
        Reason.UNDER_AGE: Code("UNDER18", PRIVATE_SCHEME, "Not used: patient under 18"),
        Reason.LATERALITY_UNKNOWN: Code("SIDEUNKNOWN", PRIVATE_SCHEME, "Not used: breast not told"),
        Reason.VIEW_UNKNOWN: Code("VIEWUNKNOWN", PRIVATE_SCHEME, "Not used: view not told"),
        Reason.VIEW_NOT_SUPPORTED: Code("VIEWUNSUPPORTED", PRIVATE_SCHEME, "Not used: kind of view not analysed"),
        Reason.OWN_RESULT: Code("OWNRESULT", PRIVATE_SCHEME, "Not used: result of this node"),
        Reason.IDENTIFIERS_INVALID: Code("IDENTIFIERS", PRIVATE_SCHEME, "Not used: no valid identifiers"),
        Reason.UNSUPPORTED_TRANSFER_SYNTAX: Code(
            "NODECODER", PRIVATE_SCHEME, "Not used: compression cannot be decoded"
        ),
        Reason.PIXELS_MISSING: Code("PIXELSMISSING", PRIVATE_SCHEME, "Not used: no pixel data"),
        Reason.PIXELS_TRUNCATED: Code("PIXELSTRUNCATED", PRIVATE_SCHEME, "Not used: too little pixel data"),
        Reason.PIXELS_UNDECODABLE: Code("PIXELSDAMAGED", PRIVATE_SCHEME, "Not used: pixel data cannot be decoded"),
        Reason.PIXELS_OVER_LIMIT: Code("PIXELSOVERLIMIT", PRIVATE_SCHEME, "Not used: image too large to decode"),
        Reason.NO_BREAST_FOUND: Code("NOBREAST", PRIVATE_SCHEME, "Not used: no breast found"),
        Reason.ANALYSIS_FAILED: Code("ANALYSISFAILED", PRIVATE_SCHEME, "Not used: analysis failed"),
        Reason.ANALYSIS_DIED: Code("ANALYSISDIED", PRIVATE_SCHEME, "Not used: analysis process died"),
        Reason.SUPERSEDED: Code("SUPERSEDED", PRIVATE_SCHEME, "Not used: replaced by a later image"),
        Reason.REJECTED: Code("REJECTED", PRIVATE_SCHEME, "Not used: rejected by the site"),
    }
)

# Attribute (0018,1114); PS3.16 has no code for it.
MAGNIFICATION = Code("MAGNFACTOR", PRIVATE_SCHEME, "Estimated Radiographic Magnification Factor")

# the operating point
SENSITIVITY = Code("111088", "DCM", "Case Sensitivity")  # CID 6048
SPECIFICITY = Code("111090", "DCM", "Case Specificity")  # CID 6048
SOURCE_OF_MEASUREMENT = Code("121112", "DCM", "Source of Measurement")  # CID 7003
QUALITATIVE = Code("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500
VIEW_MODIFIERS: Mapping[str, Code] = MappingProxyType(
    {  # CID 4015
        "cleavage": Code("399161006", "SCT", "Cleavage"),
        "axillary_tail": Code("399011000", "SCT", "Axillary Tail"),
        "rolled_lateral": Code("399197002", "SCT", "Rolled Lateral"),
        "rolled_medial": Code("399226006", "SCT", "Rolled Medial"),
        "rolled_inferior": Code("414493004", "SCT", "Rolled Inferior"),
        "rolled_superior": Code("415670009", "SCT", "Rolled Superior"),
        "implant_displaced": Code("399209000", "SCT", "Implant Displaced"),
        "magnification": Code("399163009", "SCT", "Magnification"),
        "spot_compression": Code("399055006", "SCT", "Spot Compression"),
        "tangential": Code("399110001", "SCT", "tangential"),
        "nipple_in_profile": Code("442581004", "SCT", "Nipple in profile"),
        "anterior_compression": Code("441752004", "SCT", "Anterior compression"),
        "inframammary_fold": Code("442593008", "SCT", "Infra-mammary fold"),
        "axillary_tissue": Code("442580003", "SCT", "Axillary tissue"),
    }
)


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

    The code values are the same for every model. The meanings are what OHIF draws beside the outline, cut at the edge
    of its window: 23 characters are whole wherever the lesion lies. So they are short, and begin with SYNTHETIC or
    end with RUO. The report's sentences say of what the risk is: it holds only for a DCIS that biopsy has proven.
    """

    def named(value: str, trained: str, synthetic_name: str) -> Code:
        return Code(value, PRIVATE_SCHEME, f"SYNTHETIC {synthetic_name}" if synthetic else f"{trained} (RUO)")

    return ProbabilityCodes(
        view=named("PHRDCIS", "High risk, view", "risk, view"),
        breast=named("PHRDCISB", "High risk, breast", "risk, breast"),
        patient=named("PHRDCISP", "High risk, patient", "risk, patient"),
        spread=named("PHRDCISF", "Network spread", "spread"),
        threshold=named("PHRDCIST", "Threshold", "threshold"),
    )


# --- the Mammography CAD report, TID 4000 and those it includes ---

CAD_TITLE = Code("111036", "DCM", "Mammography CAD Report")
CAD_LANGUAGE = Code("121049", "DCM", "Language of Content Item and Descendants")  # TID 1204
ENGLISH = Code("en-US", "RFC5646", "English (United States)")
CAD_SUMMARY = Code("111017", "DCM", "CAD Processing and Findings Summary")
IMPRESSION_DESCRIPTION = Code("111033", "DCM", "Impression Description")
INDIVIDUAL_IMPRESSION = Code("111034", "DCM", "Individual Impression/Recommendation")
SINGLE_IMAGE_FINDING = Code("111059", "DCM", "Single Image Finding")
RENDERING_INTENT = Code("111056", "DCM", "Rendering Intent")
PRESENTATION_REQUIRED = Code(  # CID 6034
    "111150", "DCM", "Presentation Required: Rendering device is expected to present"
)
CERTAINTY_OF_FINDING = Code("111012", "DCM", "Certainty of Finding")
CENTER = Code("111010", "DCM", "Center")
OUTLINE = Code("111041", "DCM", "Outline")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
ALGORITHM_PARAMETERS = Code("111002", "DCM", "Algorithm Parameters")
SUMMARY_OF_DETECTIONS = Code("111064", "DCM", "Summary of Detections")
SUMMARY_OF_ANALYSES = Code("111065", "DCM", "Summary of Analyses")
SUCCESSFUL_DETECTIONS = Code("111063", "DCM", "Successful Detections")
FAILED_DETECTIONS = Code("111025", "DCM", "Failed Detections")
DETECTION_PERFORMED = Code("111022", "DCM", "Detection Performed")
# CID 6042
SUCCEEDED = Code("111222", "DCM", "Succeeded")
PARTIALLY_SUCCEEDED = Code("111223", "DCM", "Partially Succeeded")
FAILED = Code("111224", "DCM", "Failed")
NOT_ATTEMPTED = Code("111225", "DCM", "Not Attempted")
# CID 6047
ALL_WITHOUT_FINDINGS = Code("111241", "DCM", "All algorithms succeeded; without findings")
ALL_WITH_FINDINGS = Code("111242", "DCM", "All algorithms succeeded; with findings")
PART_WITHOUT_FINDINGS = Code("111243", "DCM", "Not all algorithms succeeded; without findings")
PART_WITH_FINDINGS = Code("111244", "DCM", "Not all algorithms succeeded; with findings")
NONE_SUCCEEDED = Code("111245", "DCM", "No algorithms succeeded; without findings")
# The library of TID 4020 names a breast where that of TID 1600 names a side.
BREASTS = {"L": Code("80248007", "SCT", "Left breast"), "R": Code("73056007", "SCT", "Right breast")}  # CID 6022
IMAGE_LATERALITY = Code("111027", "DCM", "Image Laterality")
IMAGE_VIEW = Code("111031", "DCM", "Image View")
IMAGE_VIEW_MODIFIER = Code("111032", "DCM", "Image View Modifier")
ORIENTATION_ROW = Code("111044", "DCM", "Patient Orientation Row")
ORIENTATION_COLUMN = Code("111043", "DCM", "Patient Orientation Column")
STUDY_DATE = Code("111060", "DCM", "Study Date")
STUDY_TIME = Code("111061", "DCM", "Study Time")
CONTENT_DATE = Code("111018", "DCM", "Content Date")
CONTENT_TIME = Code("111019", "DCM", "Content Time")
HORIZONTAL_SPACING = Code("111026", "DCM", "Horizontal Pixel Spacing")
VERTICAL_SPACING = Code("111066", "DCM", "Vertical Pixel Spacing")
SPACING_UNIT = Code("mm", "UCUM", "millimeter")  # as TID 4020 rows 11 and 12 spell it

# The summary image. CID 7202, why an image was used.
SOURCE_FOR_PROCESSING = Code("121322", "DCM", "Source image for image processing operation")
