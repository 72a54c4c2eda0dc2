"""The summary image: all that the node says of an exam as one picture, for viewers that show no report.

RGB Secondary Capture, one frame, uncompressed: every PACS shows it as it is.
"""

from collections.abc import Iterable

import numpy as np
from highdicom import CoordinateSystemNames
from highdicom.sc import SCImage
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.results import codes, wording
from dcis_node.results.answer import ExamAnswer, ResultObject, SourceImage
from dcis_node.results.drawing.montage import hung_images
from dcis_node.results.drawing.summary_picture import draw_summary
from dcis_node.results.hanging import leading_image, reference_of
from dcis_node.results.identity import coded, dress, made_at, plain, result_uid
from dcis_node.results.kinds import SERIES_NUMBERS, ResultKind
from dcis_node.results.lesion import Lesion
from dcis_node.results.sr.document import reference_item, written

KIND = ResultKind.SUMMARY_IMAGE


def build_summary(answer: ExamAnswer, lesions: dict[str, Lesion]) -> ResultObject:
    """Build the summary image of an exam.

    Parameters
    ----------
    lesions
        Of each image (by SOP Instance UID) where something was outlined.
    """
    source = leading_image(answer)
    ds = _capture(answer, draw_summary(answer, lesions))
    _describe(ds, answer)
    dress(ds, answer, source=source, description="DCIS summary", number=SERIES_NUMBERS[KIND])
    # highdicom takes the clock.
    when = made_at(answer, source.attributes)
    ds.DateOfSecondaryCapture, ds.TimeOfSecondaryCapture = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    return written(ds, ExplicitVRLittleEndian, KIND)


def _capture(answer: ExamAnswer, pixels: NDArray[np.uint8]) -> Dataset:
    return SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),
        study_instance_uid=leading_image(answer).header.study_instance_uid,
        series_instance_uid=result_uid(answer, f"{KIND}/series"),
        series_number=SERIES_NUMBERS[KIND],
        sop_instance_uid=result_uid(answer, KIND),
        instance_number=1,
        manufacturer=answer.equipment.manufacturer,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def _describe(ds: Dataset, answer: ExamAnswer) -> None:
    """Say what the picture is, of which images it was made, and that nobody is named in it."""
    images = hung_images(answer)
    # Made by a program, not grabbed from a screen (PS3.3 C.8.6.1).
    ds.ConversionType = "SYN"
    # Type 2C (PS3.3 C.7.6.1), and empty as views of several directions lie in one picture.
    ds.PatientOrientation = ""
    ds.BodyPartExamined = "BREAST"
    _set_sides(ds, images)
    ds.BurnedInAnnotation = "NO"
    ds.RecognizableVisualFeatures = "NO"
    if any(image.attributes.get("LossyImageCompression") == "01" for image in images):
        # What was once compressed with loss says so for ever (PS3.3 C.7.6.1.1.5).
        ds.LossyImageCompression = "01"
    ds.ImageComments = plain(wording.banner(answer))
    ds.DerivationDescription = f"Views reduced and hung in one picture, with outlines. {ds.ImageComments}"
    if images:
        ds.SourceImageSequence = [_source(image) for image in images]


def _source(image: SourceImage) -> Dataset:
    item = reference_item(reference_of(image))
    item.PurposeOfReferenceCodeSequence = [coded(codes.SOURCE_FOR_PROCESSING)]
    return item


def _set_sides(ds: Dataset, images: Iterable[SourceImage]) -> None:
    """Say which breasts are shown: Image Laterality (0020,0062) B is both, and then no series Laterality stands."""
    sides = {str(image.header.laterality or "") for image in images} - {""}
    if sides:
        ds.ImageLaterality = sides.pop() if len(sides) == 1 else "B"
    else:
        # Type 2C for a paired organ, and here indeed unknown.
        ds.Laterality = ""
