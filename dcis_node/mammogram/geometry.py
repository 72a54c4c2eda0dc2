"""Spacing at the detector, magnification, orientation."""

from pydicom import Dataset

from dcis_node.mammogram.finding import Finding
from dcis_node.mammogram.values import is_present, number, numbers, text, texts

# Detectors have pixels of 0.05 to 0.1 mm; film scans up to 0.2. Beyond these limits the value is garbage.
SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 0.01, 1.0
# Magnification stands reach 2; a factor below 1 would be a smaller image than the breast.
SMALLEST_MAGNIFICATION, LARGEST_MAGNIFICATION = 0.95, 5.0

_DIRECTIONS = frozenset("APLRHF")


def read_magnification(ds: Dataset) -> Finding[float | None]:
    """Read Estimated Radiographic Magnification Factor, else Distance Source to Detector / Source to Patient.

    PS3.3 C.8.11.7: the factor is SID/SOD. A value that no stand has is None with note `magnification_invalid`.
    """
    factor, source = number(ds, "EstimatedRadiographicMagnificationFactor"), "(0018,1114)"
    if factor is None:
        to_detector, to_patient = number(ds, "DistanceSourceToDetector"), number(ds, "DistanceSourceToPatient")
        if not to_detector or not to_patient:
            return Finding(None)
        factor, source = to_detector / to_patient, "(0018,1110) / (0018,1111)"
    if not SMALLEST_MAGNIFICATION <= factor <= LARGEST_MAGNIFICATION:
        return Finding(None, "", ("magnification_invalid",))
    return Finding(factor, source)


def read_spacing(ds: Dataset, *, magnification: float | None) -> Finding[tuple[float, float] | None]:
    """Read (row, column) spacing in mm at the detector plane.

    Imager Pixel Spacing is that. Pixel Spacing, which mammograms usually lack, is used where it is alone; one that was
    corrected for magnification (Calibration Type GEOMETRY, PS3.3 10.7.1.3) is taken back to the detector.
    """
    for keyword, source in (
        ("ImagerPixelSpacing", "ImagerPixelSpacing (0018,1164)"),
        ("PixelSpacing", "PixelSpacing (0028,0030)"),
        ("NominalScannedPixelSpacing", "NominalScannedPixelSpacing (0018,2010)"),
    ):
        values = numbers(ds, keyword)
        if not values and not is_present(ds, keyword):
            continue
        if len(values) == 2 and all(SMALLEST_SPACING_MM <= value <= LARGEST_SPACING_MM for value in values):
            corrected = keyword == "PixelSpacing" and text(ds, "PixelSpacingCalibrationType").upper() == "GEOMETRY"
            factor = magnification or 1.0 if corrected else 1.0
            return Finding((values[0] * factor, values[1] * factor), source)
        if values or text(ds, keyword):
            return Finding(None, "", ("spacing_invalid",))
    return Finding(None)


def read_orientation(ds: Dataset) -> Finding[tuple[str, ...]]:
    """Read Patient Orientation: directions of the rows and of the columns; () with a note if they are none."""
    values = tuple(value.upper() for value in texts(ds, "PatientOrientation"))
    if not values:
        return Finding(())
    if len(values) != 2 or not all(value and set(value) <= _DIRECTIONS for value in values):
        return Finding((), "", ("patient_orientation_invalid",))
    return Finding(values, "PatientOrientation (0020,0020)")
