"""Label maps as NIfTI (`.nii`, `.nii.gz`)."""

from pathlib import Path
from typing import Final

import nibabel
import numpy as np

from dcis_node.errors import TrainingError
from training.annotations.annotation import Annotation, ImageFacts, annotation, readable
from training.annotations.grid import place, whole_picture
from training.annotations.values import labels_of

_RAS_TO_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPATIAL_AXES: Final = 3


def read_nifti(path: Path, image: ImageFacts) -> Annotation:
    """Read a label map of one slice.

    The affine is believed where it states a geometry. The identity is what scripts write that have none: the picture
    is then taken as it is, in the order of axes that its size tells.

    Raises
    ------
    TrainingError
        If it cannot be read, does not lie on the image, or has other values than 0, 1 and 2.
    """
    file = path.name
    with readable(file, "NIfTI"):
        picture = nibabel.load(path)
        if not isinstance(picture, nibabel.Nifti1Pair):
            raise TrainingError(f"{file}: is no NIfTI")
        voxels = np.asanyarray(picture.dataobj)
        affine = np.array(picture.affine, np.float64)
        stated = bool(picture.header["sform_code"] > 0 or picture.header["qform_code"] > 0)
    if any(length != 1 for length in voxels.shape[_SPATIAL_AXES:]):
        raise TrainingError(f"{file}: holds several volumes; a mask of a mammogram is one slice")
    voxels = voxels.reshape((*voxels.shape, 1, 1)[:_SPATIAL_AXES])
    if not stated or np.allclose(affine, np.eye(4)):
        drawn = whole_picture(voxels, image, file=file)
    else:
        placement = place(voxels.shape, _RAS_TO_LPS @ affine, image, file=file, whole=True)
        drawn = placement.draw(voxels, image, file=file)
    return annotation(labels_of(drawn, file=file), image, file=file, kind="nifti")
