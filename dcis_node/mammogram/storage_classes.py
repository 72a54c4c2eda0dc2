"""What the node accepts by C-STORE: SOP classes and transfer syntaxes, each with why.

Accepting is wider than analysing: an object that arrived can be explained ("tomosynthesis", "not an image"), an object
that was refused cannot, and some senders drop the whole exam when one object is refused. UIDs are those of PS3.6.
"""

from typing import Final

MAMMOGRAPHY_FOR_PRESENTATION: Final = "1.2.840.10008.5.1.4.1.1.1.2"
MAMMOGRAPHY_FOR_PROCESSING: Final = "1.2.840.10008.5.1.4.1.1.1.2.1"
BREAST_TOMOSYNTHESIS: Final = "1.2.840.10008.5.1.4.1.1.13.1.3"
BREAST_PROJECTION_FOR_PRESENTATION: Final = "1.2.840.10008.5.1.4.1.1.13.1.4"
BREAST_PROJECTION_FOR_PROCESSING: Final = "1.2.840.10008.5.1.4.1.1.13.1.5"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
BASIC_TEXT_SR: Final = "1.2.840.10008.5.1.4.1.1.88.11"
ENHANCED_SR: Final = "1.2.840.10008.5.1.4.1.1.88.22"
COMPREHENSIVE_SR: Final = "1.2.840.10008.5.1.4.1.1.88.33"
COMPREHENSIVE_3D_SR: Final = "1.2.840.10008.5.1.4.1.1.88.34"
EXTENSIBLE_SR: Final = "1.2.840.10008.5.1.4.1.1.88.35"
MAMMOGRAPHY_CAD_SR: Final = "1.2.840.10008.5.1.4.1.1.88.50"
KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"
SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.4"
GRAYSCALE_PRESENTATION_STATE: Final = "1.2.840.10008.5.1.4.1.1.11.1"

MAMMOGRAPHY: Final = (MAMMOGRAPHY_FOR_PRESENTATION, MAMMOGRAPHY_FOR_PROCESSING)

TOMOSYNTHESIS: Final = (
    BREAST_TOMOSYNTHESIS,
    BREAST_PROJECTION_FOR_PRESENTATION,
    BREAST_PROJECTION_FOR_PROCESSING,
)

SECONDARY_CAPTURES: Final = (
    SECONDARY_CAPTURE,  # digitised film, dose screens, older tomosynthesis in private form
    "1.2.840.10008.5.1.4.1.1.7.1",  # multi-frame single bit
    "1.2.840.10008.5.1.4.1.1.7.2",  # multi-frame grayscale byte
    "1.2.840.10008.5.1.4.1.1.7.3",  # multi-frame grayscale word
    "1.2.840.10008.5.1.4.1.1.7.4",  # multi-frame true color
)

# Images that stand in a mammography study without being mammograms; declined one by one, with the reason.
OTHER_IMAGES: Final = (
    CT,  # tomosynthesis of the time before its own SOP class came as CT
    "1.2.840.10008.5.1.4.1.1.1",  # computed radiography (CR mammography plates)
    "1.2.840.10008.5.1.4.1.1.1.1",  # digital X-ray, for presentation (specimen cabinets)
    "1.2.840.10008.5.1.4.1.1.1.1.1",  # digital X-ray, for processing
    "1.2.840.10008.5.1.4.1.1.6.1",  # ultrasound of the same visit
    "1.2.840.10008.5.1.4.1.1.3.1",  # ultrasound, multi-frame
    "1.2.840.10008.5.1.4.1.1.4",  # MR of the same patient, sent along by some routers
)

# Reports; those of the first six may carry a mark of the lesion.
STRUCTURED_REPORTS: Final = (
    MAMMOGRAPHY_CAD_SR,
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    ENHANCED_SR,
    EXTENSIBLE_SR,
    BASIC_TEXT_SR,
    KEY_OBJECT_SELECTION,
    "1.2.840.10008.5.1.4.1.1.88.67",  # X-ray radiation dose
    "1.2.840.10008.5.1.4.1.1.88.76",  # enhanced X-ray radiation dose
)

PRESENTATION_STATES: Final = (
    GRAYSCALE_PRESENTATION_STATE,  # a radiologist's drawing
    "1.2.840.10008.5.1.4.1.1.11.2",  # color
    "1.2.840.10008.5.1.4.1.1.11.3",  # pseudo-color
    "1.2.840.10008.5.1.4.1.1.11.4",  # blending
)

DOCUMENTS: Final = ("1.2.840.10008.5.1.4.1.1.104.1",)  # encapsulated PDF: vendor dose and quality sheets

IMAGES: Final = (*MAMMOGRAPHY, *TOMOSYNTHESIS, *SECONDARY_CAPTURES, *OTHER_IMAGES)
NOT_IMAGES: Final = (*STRUCTURED_REPORTS, SEGMENTATION, *PRESENTATION_STATES, *DOCUMENTS)

MAY_CARRY_MARKS: Final = frozenset(
    {
        SEGMENTATION,
        MAMMOGRAPHY_CAD_SR,
        COMPREHENSIVE_SR,
        COMPREHENSIVE_3D_SR,
        ENHANCED_SR,
        EXTENSIBLE_SR,
        GRAYSCALE_PRESENTATION_STATE,
    }
)
"""What can say where a lesion is: received behind an answer, it opens the exam again."""

ACCEPTED_SOP_CLASSES: Final = (*IMAGES, *NOT_IMAGES)
"""Every SOP class that the node takes as a storage SCP."""

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS: Final = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1: Final = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR_LOSSLESS: Final = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"
JPEG_2000: Final = "1.2.840.10008.1.2.4.91"
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"

UNCOMPRESSED: Final = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)

DECODED: Final = (
    *UNCOMPRESSED,
    JPEG_LOSSLESS_SV1,  # GE and most archives
    JPEG_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_2000,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR_LOSSLESS,
    RLE_LOSSLESS,
    # Lossy JPEG is tried too: 8 bit (baseline) decodes; the public 12-bit samples carry a scan header that no decoder
    # here takes, and come out as `pixels_undecodable`.
    JPEG_EXTENDED,
    JPEG_BASELINE,
)

ACCEPTED_TRANSFER_SYNTAXES: Final = DECODED
"""Every transfer syntax that the node takes, in order of preference where the sender offers several.

Never a deflated one (PS3.5 A.5): 0.6 MB of it becomes 1.2 GB of memory before anyone can look at a header. No video, no
JPIP (the pixels are elsewhere), no retired JPEG processes.
"""
