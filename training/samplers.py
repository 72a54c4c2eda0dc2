"""Which regions a training step sees: a pure function of seed, stage, epoch and step.

Lesions come from endless streams of permutations, so that no view is seen twice before every other was seen once, and
any step can be computed without those before it: a resumed run draws what the uninterrupted one would have drawn.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from training.cohort import UNLABELLED, label
from training.crops import CropStore
from training.recipe import Recipe, Stage

_STEP, _ORDER = 0, 1  # what a generator is for


@dataclass(frozen=True, eq=False)
class Sampler:
    """The streams that a stage draws from.

    Parameters
    ----------
    lesions
        Streams of store indices, taken in turn: one for `pass`, low and high for `balanced`.
    negatives
        Indices of regions without a lesion.
    negative_share
        Of the stage; 0 where the store has no region without a lesion.
    stage
        What is drawn for.
    steps_per_epoch
        Of the recipe, or as many as show each lesion once.
    whole_epochs
        True if an epoch is one pass; False if the recipe counts steps.
    seed
        Of the fold.
    """

    lesions: tuple[NDArray[np.int64], ...]
    negatives: NDArray[np.int64]
    negative_share: float
    stage: Stage
    steps_per_epoch: int
    whole_epochs: bool
    seed: int

    def indices(self, epoch: int, step: int) -> tuple[int, ...]:
        """Draw a step's regions; `epoch` and `step` count from 0.

        Negatives come first, so that they are segmented even where only a share of the batch is: they have no label,
        and outside the decoder they would teach nothing.
        """
        first, end = self._places(epoch, step)
        count = self._size(epoch, step, lesions=end - first) - (end - first)
        negatives = self.generator(epoch, step).choice(self.negatives, count) if count > 0 else ()
        return (*(int(index) for index in negatives), *(self._lesion(place) for place in range(first, end)))

    def generator(self, epoch: int, step: int) -> Generator:
        """Give a step's own random numbers, the same at each call."""
        return np.random.default_rng([self.seed, _word(self.stage.name), _STEP, epoch, step])

    def _places(self, epoch: int, step: int) -> tuple[int, int]:
        """Give where in the endless stream of lesions a step begins and ends."""
        if self.whole_epochs:
            # Spread evenly: no epoch ends in a batch of one.
            count, steps = sum(len(stream) for stream in self.lesions), self.steps_per_epoch
            return epoch * count + step * count // steps, epoch * count + (step + 1) * count // steps
        number, rate = epoch * self.steps_per_epoch + step, _lesions_per_step(self.stage, self.negative_share)
        return int(number * rate), int((number + 1) * rate)

    def _lesion(self, place: int) -> int:
        streams = self.lesions
        stream, place = streams[place % len(streams)], place // len(streams)
        lap, place = divmod(place, len(stream))
        order = _order(self.seed, _word(self.stage.name), int(stream[0]), lap, len(stream))
        return int(stream[order[place]])

    def _size(self, epoch: int, step: int, *, lesions: int) -> int:
        """Give how many crops a step has, so that the share of negatives is the stage's."""
        if not self.negative_share:
            return lesions
        if not self.whole_epochs:
            return self.stage.batch
        rate = sum(len(stream) for stream in self.lesions) / (1.0 - self.negative_share) / self.steps_per_epoch
        number = epoch * self.steps_per_epoch + step
        return int((number + 1) * rate) - int(number * rate)


def make_sampler(
    store: CropStore, recipe: Recipe, stage: Stage, *, patients: Sequence[str] | None, scenario: str, seed: int
) -> Sampler:
    """Sort a store's regions into the streams of a stage.

    A segmentation stage takes lesions without a label, too; a joint stage only labelled ones. Lesions that are only
    coarsely marked are taken where the stage allows it.

    Parameters
    ----------
    patients
        Whose regions; None takes all.

    Raises
    ------
    TrainingError
        If no lesion is left, the stage wants no lesions, or a balanced one has one class only.
    """
    if stage.negative_share >= 1.0:
        raise TrainingError(f"stage {stage.name}: negative_share must be below 1")
    lesions, negatives = _candidates(store, stage, patients)
    if stage.classification_weight:
        lesions = [index for index in lesions if _label(store, index, scenario) != UNLABELLED]
    if not lesions:
        raise TrainingError(f"stage {stage.name}: the store has no region with a lesion that it may train on")
    streams: tuple[NDArray[np.int64], ...] = (np.array(lesions, np.int64),)
    if stage.sampler == "balanced" and stage.classification_weight:
        streams = _by_class(store, lesions, scenario, stage)
    share = stage.negative_share if negatives else 0.0
    steps = recipe.steps_per_epoch or int(np.ceil(len(lesions) / _lesions_per_step(stage, share)))
    return Sampler(
        lesions=streams,
        negatives=np.array(negatives, np.int64),
        negative_share=share,
        stage=stage,
        steps_per_epoch=steps,
        whole_epochs=recipe.steps_per_epoch is None,
        seed=seed,
    )


def _candidates(store: CropStore, stage: Stage, patients: Sequence[str] | None) -> tuple[list[int], list[int]]:
    wanted = None if patients is None else set(patients)
    views = [
        (index, region.view)
        for index, region in enumerate(store.regions)
        if wanted is None or region.view.patient in wanted
    ]
    lesions = [index for index, view in views if view.lesion and (stage.weak_masks or not view.weak)]
    return lesions, [index for index, view in views if not view.lesion]


def _by_class(
    store: CropStore, lesions: Sequence[int], scenario: str, stage: Stage
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low, high = (
        np.array([index for index in lesions if _label(store, index, scenario) == wanted], np.int64)
        for wanted in (0, 1)
    )
    if not low.size or not high.size:
        raise TrainingError(f"stage {stage.name}: a balanced stage needs lesions of both classes, low and high risk")
    return low, high


def _label(store: CropStore, index: int, scenario: str) -> int:
    return label(store.regions[index].view, scenario)


def _lesions_per_step(stage: Stage, negative_share: float) -> float:
    return max(1.0, stage.batch * (1.0 - negative_share))


def _word(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


@lru_cache(maxsize=8)
def _order(seed: int, stage: int, stream: int, lap: int, length: int) -> tuple[int, ...]:
    rng = np.random.default_rng([seed, stage, _ORDER, stream, lap])
    return tuple(int(place) for place in rng.permutation(length))
