"""A finished view analysis as plain JSON values, and its outline as a PNG of one bit a pixel."""

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcis_node.mammogram.facts import Mark
from dcis_node.model.evidence import Candidate, LesionSource, ViewPrediction


@dataclass(frozen=True, eq=False)
class ViewRecord:
    """What is kept of the analysis of one view.

    Parameters
    ----------
    prediction
        What the model said, in stored pixels.
    mirrored
        True if the network saw the view mirrored; all positions here are those of the stored image.
    mark
        The mark that centred the crop, if one was given.
    notes
        Stable names of contradictions between pixels and tags.
    picture
        (height, width) uint8: the view as `dcis_node.mammogram.display.small_picture` shows it, or None.
    """

    prediction: ViewPrediction
    mirrored: bool
    mark: Mark | None = None
    notes: tuple[str, ...] = ()
    picture: NDArray[np.uint8] | None = None


def record_to_json(record: ViewRecord) -> dict[str, Any]:
    """Give plain values of everything but mask and picture; `record_from_json` restores them."""
    prediction = record.prediction
    return {
        "source": prediction.source.value,
        "probability": prediction.probability,
        "fold_probabilities": list(prediction.fold_probabilities),
        "centre": None if prediction.centre is None else list(prediction.centre),
        "candidates": [{**asdict(c), "box": list(c.box)} for c in prediction.candidates],
        "shape": list(prediction.mask.shape),
        "mirrored": record.mirrored,
        "mark": None if record.mark is None else asdict(record.mark),
        "notes": list(record.notes),
    }


def record_from_json(values: dict[str, Any], mask_png: bytes | None, picture_png: bytes | None = None) -> ViewRecord:
    """Restore a record.

    Parameters
    ----------
    values
        What `record_to_json` gave.
    mask_png
        What `mask_to_png` gave; None where nothing was outlined.
    picture_png
        What `picture_to_png` gave, if that was kept.

    Raises
    ------
    ValueError
        The mask is not of the shape that the values tell.
    """
    shape = (int(values["shape"][0]), int(values["shape"][1]))
    centre = values["centre"]
    prediction = ViewPrediction(
        source=LesionSource(values["source"]),
        probability=values["probability"],
        fold_probabilities=tuple(values["fold_probabilities"]),
        centre=None if centre is None else (float(centre[0]), float(centre[1])),
        candidates=tuple(_candidate(candidate) for candidate in values["candidates"]),
        mask=np.zeros(shape, np.bool_) if mask_png is None else mask_from_png(mask_png, shape),
    )
    mark = values["mark"]
    return ViewRecord(
        prediction=prediction,
        mirrored=values["mirrored"],
        mark=None if mark is None else Mark(**mark),
        notes=tuple(values["notes"]),
        picture=None if picture_png is None else picture_from_png(picture_png),
    )


def _candidate(values: dict[str, Any]) -> Candidate:
    top, left, bottom, right = (int(edge) for edge in values["box"])
    return Candidate(**{**values, "box": (top, left, bottom, right)})


def mask_to_png(mask: NDArray[np.bool_]) -> bytes | None:
    """Give a (rows, columns) mask as PNG of one bit a pixel; None if it is empty. Equal masks give equal bytes."""
    if not mask.any():
        return None
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).convert("1").save(file, format="PNG")
    return file.getvalue()


def mask_from_png(png: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Restore a (rows, columns) mask.

    Raises
    ------
    ValueError
        The picture has another size or is not of one bit.
    """
    with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
        if picture.size != shape[::-1] or picture.mode != "1":
            raise ValueError("the stored mask is not the one of this view")
        return np.asarray(picture, dtype=np.bool_)


def picture_to_png(picture: NDArray[np.uint8]) -> bytes:
    """Give a (height, width) grey picture as PNG. Equal pictures give equal bytes."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


def picture_from_png(png: bytes) -> NDArray[np.uint8]:
    """Restore a (height, width) grey picture."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
        return np.asarray(picture, dtype=np.uint8)
