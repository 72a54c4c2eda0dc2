"""One view: decode, show, find the breast, predict. And the key under which the outcome is kept."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from dcis_node.analyse.analysis_record import ViewRecord
from dcis_node.analyse.decode import decode_pixels
from dcis_node.canonical import digest
from dcis_node.config import AnalyseSettings
from dcis_node.errors import PixelError
from dcis_node.mammogram.anatomy import find_breast, orientation
from dcis_node.mammogram.display import brightest, choose, small_picture, transforms
from dcis_node.mammogram.facts import MammogramHeader, Mark, Reason
from dcis_node.model.bundle import Bundle
from dcis_node.model.evidence import ViewPrediction
from dcis_node.model.predict import MARK_REACH_MM, NOMINAL_SPACING_MM
from dcis_node.model.preprocess import prepare_view
from storage.findings import AnalysisKey

# Raised whenever the code changes what an analysis gives, so that what is stored is not taken for current.
METHOD_VERSION = 4
MARK_OFF_BREAST = "given_mark_off_breast"


class Predictor(Protocol):
    """What judges a prepared view: `dcis_node.model.predict.Ensemble`."""

    @property
    def bundle(self) -> Bundle:
        """The model bundle that speaks."""

    def predict_view(
        self,
        image: NDArray[np.float32],
        breast_mask: NDArray[np.bool_],
        *,
        mirrored: bool = False,
        given: tuple[float, float] | None = None,
        spacing_mm: tuple[float, float] | None = None,
    ) -> ViewPrediction:
        """Judge one view."""


def analysis_key(instance_sha256: str, bundle: Bundle, marks: Sequence[Mark]) -> AnalysisKey:
    """Give the key under which the analysis of an instance is kept: all that its outcome depends on."""
    return AnalysisKey(instance_sha256, bundle.sha256, settings_sha256(bundle, marks))


def settings_sha256(bundle: Bundle, marks: Sequence[Mark]) -> str:
    """Digest what shapes an analysis beside the image and the weights."""
    return digest(
        {
            "method": METHOD_VERSION,
            "preprocessing": bundle.preprocessing.to_json(),
            "marks": [asdict(mark) for mark in marks],
        }
    )


def analyse_view(
    path: Path,
    header: MammogramHeader,
    *,
    predictor: Predictor,
    settings: AnalyseSettings,
    scratch: Path,
    marks: Sequence[Mark] = (),
) -> ViewRecord:
    """Analyse one eligible view.

    Parameters
    ----------
    path
        The stored file.
    header
        Its facts.
    marks
        Somebody's marks on it, the one to be preferred first. The first that lies on the breast centres the crop; one
        in the air (a label, an arrow) marks no lesion.
    scratch
        Folder for decoded pixels on their way.

    Raises
    ------
    PixelError
        The pixels cannot be decoded, are not those the header tells of, or show no breast.
    """
    attributes = dcmread(path, stop_before_pixels=True)
    stored = decode_pixels(path, settings, scratch=scratch)
    if stored.shape != (header.rows, header.columns):
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the pixels are not of the size that the header tells")
    choices = transforms(attributes)
    image = prepare_view(stored, choices, predictor.bundle.preprocessing)
    # A hard window shows fat as black as air, so the breast is looked for in the brightest picture of all.
    breast = find_breast(brightest(choices, stored))
    turned = orientation(header, breast)
    mark = next((mark for mark in marks if _is_on_breast(mark, breast.mask, header.spacing_mm)), None)
    in_air = marks and mark is None
    prediction = predictor.predict_view(
        image,
        breast.mask,
        mirrored=turned.mirrored,
        given=None if mark is None else (mark.row, mark.column),
        spacing_mm=header.spacing_mm,
    )
    return ViewRecord(
        prediction=prediction,
        mirrored=turned.mirrored,
        mark=mark,
        notes=(*turned.notes, MARK_OFF_BREAST) if in_air else turned.notes,
        picture=small_picture(choose(choices).apply(stored)),
    )


def _is_on_breast(mark: Mark, breast: NDArray[np.bool_], spacing_mm: tuple[float, float] | None) -> bool:
    """Tell whether a mark lies on the breast, or so near to it that a reader may have meant its edge."""
    reach = [round(MARK_REACH_MM / spacing) for spacing in spacing_mm or (NOMINAL_SPACING_MM, NOMINAL_SPACING_MM)]
    row, column = round(mark.row), round(mark.column)
    near = breast[max(0, row - reach[0]) : row + reach[0] + 1, max(0, column - reach[1]) : column + reach[1] + 1]
    return bool(near.any())
