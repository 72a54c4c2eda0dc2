"""exam.png of the demo: the views hung, with the outlines of the SEGs that came back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from dcis_node.errors import InputError
from dcis_node.mammogram.anatomy import find_breast
from dcis_node.mammogram.display import brightest, choose, transforms
from dcis_node.mammogram.pixels import stored_pixels
from dcis_node.operate.stand_in import Arrived
from dcis_node.operate.tables import percent
from dcis_node.results.drawing.picture import HungView, hang
from storage.files import FileStore


def draw_exam(
    traced: Sequence[dict[str, Any]], arrived: Sequence[Arrived], files: FileStore, *, banner: str
) -> Image.Image:
    """Draw all views of the exams that can be decoded.

    Parameters
    ----------
    traced
        What `storage.overview.trace` gives.
    arrived
        What came back; the outlines are read from the SEGs among it, as a viewer would.
    banner
        The research-use warning.
    """
    masks = _masks(arrived)
    hung = []
    for exam in traced:
        views = {view["sop_instance_uid"]: view for report in exam["reports"][-1:] for view in report["views"]}
        for instance in exam["instances"]:
            view = views.get(instance["sop_instance_uid"])
            if view is not None:
                hung.extend(_hung(instance, view, masks, files))
    return hang(
        hung, title="dcis-node: calcifications and probability of high-risk DCIS", banner=banner, footer=_footer(traced)
    )


def _masks(arrived: Sequence[Arrived]) -> dict[str, NDArray[np.bool_]]:
    """Read the mask of each SEG, by the image it is about."""
    masks: dict[str, NDArray[np.bool_]] = {}
    for result in arrived:
        if result.modality == "SEG":
            seg = dcmread(result.path)
            image = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
            pixels = np.asarray(seg.pixel_array, dtype=np.bool_)
            masks[str(image)] = pixels if pixels.ndim == 2 else np.logical_or.reduce(pixels, axis=0)
    return masks


def _hung(
    instance: dict[str, Any], view: dict[str, Any], masks: dict[str, NDArray[np.bool_]], files: FileStore
) -> list[HungView]:
    dataset = dcmread(files.path(instance["sha256"]))
    try:
        stored, choices = stored_pixels(dataset), transforms(dataset)
        image = choose(choices).apply(stored)
        chest_wall = find_breast(brightest(choices, stored)).chest_wall
    except InputError:
        return []
    mask = masks.get(instance["sop_instance_uid"], np.zeros(image.shape, bool))
    if not view["eligible"]:
        lines: tuple[str, ...] = (f"not used: {view['reason']}",)
    elif view["probability"] is None:
        lines = ("no calcifications found",)
    else:
        lines = (f"high risk: {percent(view['probability'])}", f"lesion {view['lesion']}")
    side = view["laterality"] or ("R" if chest_wall == "right" else "L")
    return [HungView(image, mask, side, view["view"] or "?", chest_wall, lines)]


def _footer(traced: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for exam in traced:
        for report in exam["reports"][-1:]:
            decision = report["decision"]
            for side, breast in decision["breasts"].items():
                views = " + ".join(breast["views"]) or "no view"
                lines.append(f"{side} breast: {percent(breast['probability'])} ({views}), {breast['risk']}")
            patient = decision["patient"]
            threshold = percent(decision["threshold"])
            lines.append(
                f"patient: {percent(patient['probability'])}, {patient['risk']} (threshold {threshold});"
                f" model {report['bundle_sha256'][:12]}, trained on phantoms: no clinical meaning"
            )
    return lines
