"""Batches for a fit: planned as a pure function, read as slices by the host, shown and varied on the device.

The host only copies integers out of memory-mapped files, in a thread, one step ahead. Look-up, average, flip, gamma and
noise run on the device, the whole batch at once.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from training.augment import Drawn, draw
from training.cohort import label
from training.crops import CropStore
from training.device_crops import Slices, average_crops, display, flip_labels, highest_labels, vary_crops
from training.placing import Placed, place_crop
from training.recipe import Recipe, Stage
from training.samplers import make_sampler


@dataclass(frozen=True)
class StepPlan:
    """What a step sees, decided before any pixel is read.

    Parameters
    ----------
    indices
        Of the store's regions; those that are segmented come first.
    drawn
        Each crop's augmentation.
    segmented
        The first `segmented` crops go through the decoder.
    labels
        0 low, 1 high, -1 unlabelled.
    """

    indices: tuple[int, ...]
    drawn: tuple[Drawn, ...]
    segmented: int
    labels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """Crops of a part of a step, on the device.

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


class CropLoader:
    """The batches of one stage of one fold.

    Parameters
    ----------
    store
        Regions made for this recipe, see `training.crop_store`.
    patients
        Whose regions; None takes all.
    seed
        Of the fold; with the stage's name, epoch and step it decides everything.

    Raises
    ------
    TrainingError
        If the stage finds nothing to train on; see `make_sampler`.
    """

    def __init__(
        self,
        store: CropStore,
        recipe: Recipe,
        stage: Stage,
        *,
        patients: Sequence[str] | None,
        scenario: str,
        seed: int,
        device: torch.device,
    ) -> None:
        self._store, self._recipe, self._stage, self._device = store, recipe, stage, device
        self._sampler = make_sampler(store, recipe, stage, patients=patients, scenario=scenario, seed=seed)
        self._labels = tuple(label(region.view, scenario) for region in store.regions)
        self._waited = 0.0

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return self._sampler.steps_per_epoch

    @property
    def waited_seconds(self) -> float:
        """Time that `iterate` kept its caller waiting since the loader was made.

        On a CPU that holds the transforms; on a GPU they are queued and count where they are waited for.
        """
        return self._waited

    def plan_step(self, epoch: int, step: int) -> StepPlan:
        """Decide what a step sees; both count from 0. The same arguments always give the same plan."""
        indices = self._sampler.indices(epoch, step)
        rng = self._sampler.generator(epoch, step).spawn(1)[0]
        return StepPlan(
            indices=indices,
            drawn=tuple(
                draw(self._recipe.augmentation, rng, displays=self._store.displays(index)) for index in indices
            ),
            segmented=max(1, round(len(indices) * self._stage.segmented_share)),
            labels=tuple(self._labels[index] for index in indices),
        )

    def load(self, plan: StepPlan, part: slice) -> Batch:
        """Make one part of a step; a crop is the same in whatever part it stands."""
        return self._on_device(plan, part, self._read(plan, part))

    def iterate(self, epoch: int, first_step: int, parts: Sequence[slice]) -> Iterator[tuple[StepPlan, list[Batch]]]:
        """Give the steps of an epoch from `first_step` on, each with the batches of those parts that are not empty.

        The next step's slices are read in a thread meanwhile. Closing the iterator ends the thread.
        """
        asked = time.perf_counter()
        with ThreadPoolExecutor(1, "crops") as reader:
            ahead = reader.submit(self._read_step, epoch, first_step, parts)
            for step in range(first_step, self.steps_per_epoch):
                plan, read = ahead.result()
                if step + 1 < self.steps_per_epoch:
                    ahead = reader.submit(self._read_step, epoch, step + 1, parts)
                batches = [self._on_device(plan, part, slices) for part, slices in read]
                self._waited += time.perf_counter() - asked
                yield plan, batches
                asked = time.perf_counter()

    def _read_step(
        self, epoch: int, step: int, parts: Sequence[slice]
    ) -> tuple[StepPlan, list[tuple[slice, list[Slices]]]]:
        plan = self.plan_step(epoch, step)
        return plan, [(part, self._read(plan, part)) for part in parts if plan.indices[part]]

    def _read(self, plan: StepPlan, part: slice) -> list[Slices]:
        """Copy the slices of a part out of the store, those of one size together."""
        groups: dict[tuple[int, ...], list[tuple[int, tuple[Placed, Placed]]]] = {}
        indices, drawn = plan.indices[part], plan.drawn[part]
        for place, (index, crop) in enumerate(zip(indices, drawn, strict=True)):
            rows, columns = self._place(index, crop)
            key = (rows.length, columns.length, rows.whole_ratio, columns.whole_ratio)
            groups.setdefault(key, []).append((place, (rows, columns)))
        segmented = _segmented(plan, part)
        return [self._read_group(indices, drawn, group, segmented) for group in groups.values()]

    def _place(self, index: int, drawn: Drawn) -> tuple[Placed, Placed]:
        return place_crop(
            self._store.regions[index],
            self._recipe.preprocessing,
            size=self._recipe.train_crop_px,
            shift_mm=drawn.shift_mm,
        )

    def _read_group(
        self,
        indices: Sequence[int],
        drawn: Sequence[Drawn],
        group: Sequence[tuple[int, tuple[Placed, Placed]]],
        segmented: int,
    ) -> Slices:
        rows, columns = group[0][1]
        shape = (rows.length, columns.length)
        # Places rise, so those with labels are the group's first.
        labelled = sum(place < segmented for place, _ in group)
        stored = self._buffer((len(group), *shape), torch.int16)
        labels = self._buffer((labelled, *shape), torch.uint8)
        tables = self._buffer((len(group), self._store.tables.shape[1]), torch.float32)
        for number, (place, placed) in enumerate(group):
            index = indices[place]
            window = tuple(slice(axis.first, axis.first + axis.length) for axis in placed)
            _copy(self._store.stored(index)[window].view(np.int16), stored[number])
            if number < labelled:
                _copy(self._store.labels(index)[window], labels[number])
            table = self._store.table(index, self._recipe.preprocessing, display=drawn[place].display)
            tables[number] = torch.from_numpy(np.array(table))
        return Slices(tuple(place for place, _ in group), tuple(placed for _, placed in group), stored, labels, tables)

    def _buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.zeros(shape, dtype=dtype, pin_memory=self._device.type == "cuda")

    def _on_device(self, plan: StepPlan, part: slice, read: Sequence[Slices]) -> Batch:
        drawn, size = plan.drawn[part], self._recipe.train_crop_px
        images = torch.empty((len(drawn), size, size), device=self._device)
        labels = torch.empty((_segmented(plan, part), size, size), dtype=torch.int64, device=self._device)
        for slices in (group.to(self._device) for group in read):
            chosen = [drawn[place] for place in slices.places]
            averaged = [sqrt(rows.ratio * columns.ratio) for rows, columns in slices.placed]
            crops = vary_crops(average_crops(display(slices), slices.placed), chosen, averaged)
            images[list(slices.places)] = crops
            count = len(slices.labels)
            if count:
                highest = highest_labels(slices.labels, slices.placed[:count])
                labels[list(slices.places[:count])] = flip_labels(highest, chosen[:count]).to(torch.int64)
        return Batch(
            images=images[:, None].contiguous(memory_format=torch.channels_last),
            pixel_labels=labels,
            labels=torch.tensor(plan.labels[part], device=self._device),
        )


def _segmented(plan: StepPlan, part: slice) -> int:
    """Give how many of a part's crops go through the decoder."""
    return len(range(*part.indices(len(plan.indices)))[: max(0, plan.segmented - (part.start or 0))])


def _copy(source: np.ndarray[tuple[int, ...], np.dtype[np.generic]], target: Tensor) -> None:
    rows, columns = source.shape
    target.numpy()[:rows, :columns] = source
