"""Which crops a training step sees, and how a crop becomes the network's input."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from dcis_node.errors import TrainingError
from dcis_node.model.preprocess import average, highest
from dcis_node.model.tiles import crop_origin
from training.augment import NONE, Drawn, draw, vary, vary_labels
from training.cohort import label
from training.crops import CropStore
from training.plan import FitPlan, Stage


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's crops: those that are segmented come first.

    Parameters
    ----------
    images
        (B, 1, h, w) float32 in [0, 1], channels last.
    pixel_labels
        (S, h, w) int64 of the first S crops, S <= B.
    labels
        (B,) int64: 0 low, 1 high, -1 unlabelled.
    """

    images: Tensor
    pixel_labels: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Pools:
    """Indices of a store by what they are drawn for."""

    lesions: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    negatives: NDArray[np.int64]


def pools(store: CropStore, patients: Sequence[str] | None, scenario: str) -> Pools:
    """Sort a store's regions; `patients` None takes all.

    Raises
    ------
    TrainingError
        If there is no region with a lesion.
    """
    wanted = None if patients is None else set(patients)
    rows = [(i, view) for i, view in enumerate(region.view for region in store.regions)]
    rows = [(i, view) for i, view in rows if wanted is None or view.patient in wanted]

    def indices(chosen: list[int]) -> NDArray[np.int64]:
        return np.array(chosen, np.int64)

    lesions = [i for i, view in rows if view.grade]
    if not lesions:
        msg = "the store has no region with a lesion for these patients"
        raise TrainingError(msg)
    return Pools(
        lesions=indices(lesions),
        low=indices([i for i, view in rows if label(view, scenario) == 0]),
        high=indices([i for i, view in rows if label(view, scenario) == 1]),
        negatives=indices([i for i, view in rows if not view.grade]),
    )


def draw_batch(store: CropStore, chosen: Pools, stage: Stage, *, plan: FitPlan, scenario: str, rng: Generator) -> Batch:
    """Draw one batch: negatives, then lesions; in the joint stage both classes equally often."""
    indices = _draw_indices(chosen, stage, rng)
    segmented = max(1, round(stage.batch * stage.segmented_share))
    images, maps, labels = [], [], []
    for place, index in enumerate(indices):
        drawn = draw(plan.augmentation, rng, displays=store.displays(index))
        image, pixel_labels = cut_crop(store, index, drawn, plan=plan, labelled=place < segmented)
        images.append(image)
        labels.append(label(store.regions[index].view, scenario))
        if pixel_labels is not None:
            maps.append(pixel_labels)
    stacked = torch.from_numpy(np.stack(images))[:, None].contiguous(memory_format=torch.channels_last)
    return Batch(stacked, torch.from_numpy(np.stack(maps).astype(np.int64)), torch.tensor(labels))


def _draw_indices(chosen: Pools, stage: Stage, rng: Generator) -> list[int]:
    # The expected share, step by step: a batch of eight cannot hold a quarter of every size.
    wanted = stage.negative_share * stage.batch
    negatives = int(wanted) + int(rng.random() < wanted % 1) if chosen.negatives.size else 0
    drawn = [int(i) for i in rng.choice(chosen.negatives, negatives)] if negatives else []
    for place in range(stage.batch - negatives):
        if stage.classification_weight and chosen.low.size and chosen.high.size:
            source = chosen.high if place % 2 else chosen.low
        else:
            source = chosen.lesions
        drawn.append(int(rng.choice(source)))
    return drawn


def cut_crop(
    store: CropStore, index: int, drawn: Drawn, *, plan: FitPlan, labelled: bool = True, size_px: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Cut one crop out of a region: shift, display, average, vary. A crop larger than its region is the whole region.

    Returns
    -------
    (h, w) float32 in [0, 1] and (h, w) uint8 labels, or None if not `labelled`; h is `size_px`, else
    the plan's, in input pixels.
    """
    size = size_px or plan.train_crop_px
    region = store.regions[index]
    target = plan.preprocessing.input_spacing_mm or region.spacing_mm
    side = min(round(size * target / region.spacing_mm), region.rows, region.columns)
    centre = tuple(
        place + shift / region.spacing_mm for place, shift in zip(region.centre, drawn.shift_mm, strict=True)
    )
    top, left = crop_origin((centre[0], centre[1]), side, (region.rows, region.columns), border="inside")
    window = (slice(top, top + side), slice(left, left + side))
    shown = store.show(index, window, plan.preprocessing, display=drawn.display)
    image = vary(average(shown, (size, size)), drawn, averaged=side / size)
    if not labelled:
        return image, None
    return image, vary_labels(highest(store.labels(index)[window], (size, size)), drawn)


def plain_crop(
    store: CropStore, index: int, *, plan: FitPlan, size_px: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a crop as validation, test and node see it: no shift, no variation, the node's display transform."""
    image, labels = cut_crop(store, index, _PLAIN, plan=plan, size_px=size_px)
    if labels is None:
        raise AssertionError
    return image, labels


_PLAIN = draw(NONE, np.random.default_rng(0), displays=1)
