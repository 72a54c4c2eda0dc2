"""What the tests of a fit share: a crude store with row keys, a recipe of seconds, a job."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dcis_node.model.network import NetworkConfig
from dcis_node.model.preprocess import Preprocessing
from tests.training.conftest import TRANSFORMS, crude_region
from training.augment import Augmentation
from training.cohort import CohortView
from training.crops import CropStore, CropWriter, open_store
from training.engine import FitJob
from training.recipe import Recipe, Stage

GRADES = (1, 3, 2, 3)


def crude_store(folder: Path, *, patients: int = 8, grades: dict[int, int] | None = None) -> CropStore:
    """Two views of each patient, and three healthy ones; `grades` names the grade that is told, not the one drawn."""
    rng = np.random.default_rng(0)
    with CropWriter(folder) as writer:
        for number in range(patients):
            grade = GRADES[number % 4]
            told = (grades or {}).get(number, grade)
            for view in ("CC", "MLO"):
                key = f"image-{number:03d}-{view}"
                row = CohortView(f"p{number}", "L", view, told, upstaged=False, image=key, pixels_sha256=f"{key:0>64}")
                writer.add(row, *crude_region(rng, grade), transforms=TRANSFORMS, spacing_mm=0.07)
        for number in range(3):
            row = CohortView(f"n{number}", "R", "CC", 0, upstaged=False, image=f"healthy-{number}")
            writer.add(row, *crude_region(rng, 0), transforms=TRANSFORMS[:1], spacing_mm=0.07)
    return open_store(folder)


SEGMENTATION = Stage("segmentation", epochs=3, batch=8, reference_batch=8, learning_rate=1e-2, keep="best_dice")
JOINT = Stage(
    "joint",
    epochs=3,
    batch=8,
    reference_batch=8,
    learning_rate=1e-2,
    schedule="cosine",
    sampler="balanced",
    negative_share=0.1,
    segmented_share=0.5,
    classification_weight=2.0,
    fresh_branch=True,
    validate_every=2,
)


def tiny_recipe(*stages: Stage, norm: str = "batch", dropout: float = 0.1, **changes: object) -> Recipe:
    """A network of four filters on crops of 32 pixels; four steps an epoch."""
    recipe = Recipe(
        name="tiny",
        network=NetworkConfig(width=4, depth=2, norm=norm, dropout=dropout, segmentation_classes=3),
        preprocessing=Preprocessing(input_spacing_mm=0.14, crop_px=32, tile_px=32, overlap_px=8),
        augmentation=Augmentation(shift_mm=0.5, noise=0.01),
        train_crop_px=32,
        stages=stages or (SEGMENTATION, JOINT),
        steps_per_epoch=4,
        topk_fraction=0.2,
        micro_batch=4,
        precision="float32",
    )
    return replace(recipe, **changes)


def fit_job(folder: Path, store: CropStore, recipe: Recipe | None = None, **changes: object) -> FitJob:
    """Fold 1: patients 0 to 5 train, 6 and 7 validate."""
    recipe = recipe or tiny_recipe()
    job = FitJob(
        folder=folder,
        number=1,
        recipe=recipe,
        stages=recipe.stages,
        store=store,
        training=[*(f"p{number}" for number in range(6)), "n0", "n1"],
        validation=["p6", "p7"],
        scenario="grade",
        seed=3,
        device=torch.device("cpu"),
    )
    return replace(job, **changes)
