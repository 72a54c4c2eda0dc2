"""The crop store of a cohort: each region is cut once, and kept under a name that says what it was cut from.

A patient's regions are one shard, written aside and moved into place when whole. A killed build goes on where it was;
two builds at once do not meet; a shard of another cohort, of other rows or of another size has another name.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from training.cohort import Cohort, CohortView
from training.crops import CropStore, CropWriter, join_stores, open_store
from training.images import load_region
from training.loaded import LoadedRegion
from training.recipe import Recipe

# Raised whenever a region of the same row would hold something else.
STORE_FORMAT = 1
# Input pixels round a crop and its shift, on both sides together: crops begin on the node's grid, regions do not.
_SLACK_PX = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Shard:
    """What one patient's regions are cut from.

    Parameters
    ----------
    lesions
        Rows whose lesion is cut.
    healthy
        Rows without one; a negative region lies in one that is drawn.
    negatives
        How many of these.
    sides_mm
        Side of each row's region, lesions first.
    seed
        Draws the negatives' places.
    """

    patient: str
    lesions: tuple[CohortView, ...]
    healthy: tuple[CohortView, ...]
    negatives: int
    sides_mm: tuple[float, ...]
    seed: int

    def name(self, cohort: Cohort) -> str:
        """Give the name of its folder: a digest of all that its content depends on."""
        rows = [[view.image, view.pixels_sha256, view.mask_sha256] for view in (*self.lesions, *self.healthy)]
        drawn = [self.negatives, self.seed] if self.negatives else []
        return digest([STORE_FORMAT, cohort.sha256, rows, len(self.lesions), list(self.sides_mm), drawn])[:32]


def build_store(
    cohort: Cohort,
    rows: Sequence[CohortView],
    folder: Path,
    *,
    recipe: Recipe,
    negatives_per_patient: int | None = None,
    seed: int,
    processes: int = 1,
    progress: Progress | None = None,
) -> CropStore:
    """Cut the regions of a cohort's rows, or take those that were cut before.

    One region per row with an outlined lesion, and some of the healthy views of each patient. A row with a grade but
    without a mask has no place to cut and is left out. Mirrored views are turned: the store holds what the network is
    to see.

    Parameters
    ----------
    rows
        Of this cohort.
    folder
        Of the shards; may be shared by any cohorts and recipes.
    negatives_per_patient
        Regions without a lesion of a patient who has a healthy view; None: 1 if a stage of the recipe wants any.
    processes
        How many cut at once; the store is the same.
    progress
        Called with (patients done, patients in all).

    Raises
    ------
    TrainingError
        As `load_region`, and if a row does not tell its size and spacing.
    """
    stages = (*recipe.pretraining, *recipe.stages)
    wanted = any(stage.negative_share for stage in stages) if negatives_per_patient is None else negatives_per_patient
    shards = _shards(rows, recipe, negatives=int(wanted), seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    done = 0
    for done, _ in enumerate(_cut_all(cohort, shards, folder, processes=processes), start=1):
        if progress is not None:
            progress(done, len(shards))
    return join_stores(*(open_store(folder / shard.name(cohort)) for shard in shards))


def region_side_mm(recipe: Recipe, spacing_mm: tuple[float, float]) -> float:
    """Give the side of a region that holds every shifted training crop, and the node's crop.

    For the paper: 1024 + 2 * 150 pixels of 0.07 mm, and four more.
    """
    pixel = recipe.preprocessing.input_spacing_mm or max(spacing_mm)
    shifted = recipe.train_crop_px * pixel + 2.0 * recipe.augmentation.shift_mm
    return max(shifted, recipe.preprocessing.crop_px * pixel) + _SLACK_PX * pixel


def _shards(rows: Sequence[CohortView], recipe: Recipe, *, negatives: int, seed: int) -> list[Shard]:
    patients: dict[str, list[CohortView]] = {}
    for row in rows:
        if not (row.rows and row.columns and min(row.spacing_mm) > 0.0):
            msg = f"{row.image}: the row has no size or no spacing"
            raise TrainingError(msg)
        patients.setdefault(row.patient, []).append(row)
    shards = []
    for patient, views in patients.items():
        lesions = tuple(view for view in views if view.mask)
        healthy = tuple(view for view in views if not view.lesion) if negatives else ()
        if lesions or healthy:
            sides = tuple(region_side_mm(recipe, view.spacing_mm) for view in (*lesions, *healthy))
            shards.append(Shard(patient, lesions, healthy, negatives if healthy else 0, sides, seed))
    return shards


def _cut_all(cohort: Cohort, shards: Sequence[Shard], folder: Path, *, processes: int) -> Iterator[None]:
    cut = partial(cut_shard, cohort, folder)
    if processes == 1 or len(shards) == 1:
        yield from map(cut, shards)
        return
    # Forked, a child would inherit the locks of torch's threads.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(cut, shards)


def cut_shard(cohort: Cohort, folder: Path, shard: Shard) -> None:
    """Cut one patient's regions, unless they are there; a shard of wrong length is cut again.

    Raises
    ------
    TrainingError
        As `load_region`.
    """
    final = folder / shard.name(cohort)
    if _is_whole(final):
        return
    part = folder / f"part-{os.getpid()}-{final.name}"
    shutil.rmtree(part, ignore_errors=True)
    try:
        with CropWriter(part) as writer:
            for row, region in _regions(cohort, shard):
                _add(writer, row, region)
        shutil.rmtree(final, ignore_errors=True)
        with suppress(OSError):  # another build was faster; its shard is the same
            part.rename(final)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _regions(cohort: Cohort, shard: Shard) -> Iterator[tuple[CohortView, LoadedRegion]]:
    sides = dict(zip((view.image for view in (*shard.lesions, *shard.healthy)), shard.sides_mm, strict=True))
    rng = np.random.default_rng([shard.seed, int(digest(shard.patient)[:16], 16)])
    drawn = [shard.healthy[int(rng.integers(len(shard.healthy)))] for _ in range(shard.negatives)]
    for row in (*shard.lesions, *drawn):
        yield row, load_region(cohort, row, side_mm=sides[row.image], rng=rng)


def _add(writer: CropWriter, row: CohortView, region: LoadedRegion) -> None:
    stored, labels = region.stored, region.labels
    (top, left), (row_centre, column_centre) = region.origin, region.centre
    if region.mirrored:
        stored, labels = stored[:, ::-1], labels[:, ::-1]
        left = row.columns - left - stored.shape[1]
        column_centre = stored.shape[1] - 1 - column_centre
    writer.add(
        row,
        stored,
        labels,
        transforms=region.transforms,
        spacing_mm=region.spacing_mm,
        centre=(row_centre, column_centre),
        whole=(row.rows, row.columns),
        origin=(top, left),
    )


def _is_whole(folder: Path) -> bool:
    try:
        open_store(folder)
    except TrainingError:
        return False
    return True
