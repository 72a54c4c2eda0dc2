"""A small mammogram, and an L with two calcifications in it: any flip, turn or transposition of it shows."""

import numpy as np
from pydicom import Dataset
from pydicom.uid import generate_uid

from training.annotations.annotation import ImageFacts

ROWS, COLUMNS = 33, 21  # not square, and not a multiple of 8
SPACING = 0.07
UID = "1.2.826.0.1.3680043.8.498.1"
OTHER_UID = "1.2.826.0.1.3680043.8.498.2"
IMAGE = ImageFacts(UID, ROWS, COLUMNS, (SPACING, SPACING))


def l_shape(*, calcified=True):
    """(ROWS, COLUMNS) uint8: a long bar down, a short one to the right at its foot, off the middle."""
    labels = np.zeros((ROWS, COLUMNS), np.uint8)
    labels[5:16, 3:6] = 1
    labels[13:16, 3:12] = 1
    if calcified:
        labels[6, 4] = labels[14, 9] = 2
    return labels


def mammogram(uid=UID, *, rows=ROWS, columns=COLUMNS):
    """The header of a mammogram: no Frame of Reference, no orientation in the patient."""
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    ds.SOPInstanceUID = uid
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[uid, "series"])
    ds.Modality = "MG"
    ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = "SYN-1", "SYNTHETIC^PHANTOM", "", "F"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "", "", "", "", ""
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 16, 12, 11, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.ImagerPixelSpacing = [SPACING, SPACING]
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ["A", "F"]
    return ds
