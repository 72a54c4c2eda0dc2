"""A fold's validation patients, judged as the node would: no chance, the same crops every time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dcis_node.model.network import UNet
from training.cohort import UNLABELLED, CohortView, label
from training.crops import CropStore
from training.plain import plain_crop
from training.recipe import Recipe
from training.statistics import dice

EXAMPLES = 4
_AVERAGED_VIEWS = ("CC", "MLO")
# Crops are kept between two validations up to this much; beyond, they are cut anew each time.
_KEPT_BYTES = 2 << 30


@dataclass(frozen=True, eq=False)
class Examples:
    """A few views that are the same at each validation.

    Parameters
    ----------
    image
        (n, h, w) uint8, 0 ... 255.
    truth, outlined
        (n, h, w) bool.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    outlined: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Validation:
    """What a validation gave.

    Parameters
    ----------
    dice
        Mean over the views with an outlined lesion (a box is no outline); nan without one.
    auc
        Area under the ROC curve over patients; nan unless both classes are there.
    """

    dice: float
    auc: float
    examples: Examples


class ValidationSet:
    """The validation views of a fold with a lesion.

    Parameters
    ----------
    patients
        Who validates.
    """

    def __init__(self, store: CropStore, patients: Sequence[str], *, recipe: Recipe, scenario: str) -> None:
        wanted = set(patients)
        views = [region.view for region in store.regions]
        self._indices = [i for i, view in enumerate(views) if view.patient in wanted and view.lesion]
        self._store, self._recipe = store, recipe
        self._views = [views[i] for i in self._indices]
        self._labels = [label(view, scenario) for view in self._views]
        kept = len(self._indices) * 5 * recipe.train_crop_px**2 <= _KEPT_BYTES
        self._crops = [self._cut(i) for i in self._indices] if kept else None
        # Spread over the patients, and fixed.
        spread = np.linspace(0, len(self._indices) - 1, min(EXAMPLES, len(self._indices)))
        self._shown = {round(float(place)) for place in spread}

    def __len__(self) -> int:
        return len(self._indices)

    def judge(self, network: UNet, *, batch: int, bfloat16: bool) -> Validation:
        """Run the network over all crops, in a fixed order and in batches of one size.

        Parameters
        ----------
        network
            Left in evaluation mode.
        """
        network.eval()
        probabilities: list[float] = []
        overlaps: list[float] = []
        shown = []
        for first in range(0, len(self), batch):
            crops = self._crops_of(range(first, min(first + batch, len(self))))
            outlined, high = _predict(network, np.stack([image for image, _ in crops]), bfloat16=bfloat16)
            probabilities += high.tolist()
            for place, (outline, (image, truth)) in enumerate(zip(outlined, crops, strict=True), start=first):
                if not self._views[place].weak:
                    overlaps.append(dice(outline, truth > 0))
                if place in self._shown:
                    shown.append(((255 * image).round().astype(np.uint8), truth > 0, outline))
        return Validation(
            float(np.mean(overlaps)) if overlaps else float("nan"),
            patient_auc(self._views, self._labels, probabilities),
            _examples(shown, self._recipe.train_crop_px),
        )

    def _cut(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        return plain_crop(self._store, index, recipe=self._recipe, size_px=self._recipe.train_crop_px)

    def _crops_of(self, places: range) -> list[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
        if self._crops is not None:
            return [self._crops[place] for place in places]
        return [self._cut(self._indices[place]) for place in places]


def patient_auc(views: Sequence[CohortView], labels: Sequence[int], probabilities: Sequence[float]) -> float:
    """Give the area under the ROC curve over patients.

    CC and MLO are averaged within a breast (other views only where it has neither); a patient's figure is the higher
    of two breasts. Nan unless both classes are there.
    """
    breasts: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    truth: dict[str, int] = {}
    for view, value, probability in zip(views, labels, probabilities, strict=True):
        if value != UNLABELLED:
            truth[view.patient] = value
            breast = breasts.setdefault((view.patient, view.laterality), [])
            breast.append((view.view in _AVERAGED_VIEWS, probability))
    scores: dict[str, float] = {}
    for (patient, _), found in breasts.items():
        averaged = [p for standard, p in found if standard] or [p for _, p in found]
        scores[patient] = max(scores.get(patient, 0.0), float(np.mean(averaged)))
    if len(set(truth.values())) < 2:
        return float("nan")
    return float(roc_auc_score([truth[p] for p in truth], [scores[p] for p in truth]))


@torch.inference_mode()
def _predict(
    network: UNet, images: NDArray[np.float32], *, bfloat16: bool
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Give (n, h, w) outlines and (n,) probabilities of high risk."""
    device = next(network.parameters()).device
    x = torch.from_numpy(images)[:, None].to(device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        output = network(x)
    outlined = output.segmentation.float().softmax(1)[:, 0] < 0.5
    return outlined.cpu().numpy(), output.classification.float().softmax(1)[:, 1].cpu().numpy()


def _examples(shown: Sequence[tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]], side: int) -> Examples:
    images, truths, outlines = ([row[i] for row in shown] for i in range(3))
    none = np.zeros((0, side, side))
    return Examples(
        np.array(images if images else none, np.uint8),
        np.array(truths if truths else none, bool),
        np.array(outlines if outlines else none, bool),
    )
