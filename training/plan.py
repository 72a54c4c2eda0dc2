"""The settings of a training run. What is written here travels into the bundle's training record."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dcis_node.model.network import PRESETS, NetworkConfig
from dcis_node.model.preprocess import Preprocessing
from training.augment import Augmentation


@dataclass(frozen=True)
class Stage:
    """One stage of a fit.

    Parameters
    ----------
    steps
        Optimiser steps.
    batch
        Crops per step.
    learning_rate
        Peak, after a linear warm-up over `warm_up` steps; then a cosine down to a hundredth of it.
    negative_share
        Share of crops without a lesion (muscle, skin, vessels, air), so that a sweep meets nothing it never saw.
    segmented_share
        Share of the batch that runs through the decoder. 1 is the paper; the decoder costs 2.4 times the encoder and
        branch, and the segmentation is learnt long before the classification, so less is well spent.
    classification_weight
        Factor of the focal loss against the pixel loss (paper: 1). 0 = segmentation only.
    """

    steps: int
    batch: int = 8
    learning_rate: float = 2.5e-4
    warm_up: int = 30
    negative_share: float = 0.25
    segmented_share: float = 1.0
    classification_weight: float = 0.0


@dataclass(frozen=True)
class FitPlan:
    """How one fold is fitted: crops, augmentation, losses, stages.

    Parameters
    ----------
    train_crop_px
        Side of the training crop in input pixels. The paper takes 1024 stored ones; 256 of 0.14 mm are half of that
        side, one core sees twenty times the images, and a batch-norm network with a global maximum carries over to
        larger crops.
    pretraining
        Stages one after the other, each with its own warm-up: a restart of the learning rate.
    joint, restart
        Segmentation and classification together, from a fresh branch; then once more with the rate restarted: a branch
        that starts on a trained encoder gains as much from the second cosine as from the first.
    class_weights
        Pixel loss by class: background, lesion region, calcification.
    topk_fraction, focal_gamma
        See `training.losses`.
    """

    network: NetworkConfig
    preprocessing: Preprocessing
    augmentation: Augmentation
    train_crop_px: int
    pretraining: tuple[Stage, ...]
    segmentation: Stage
    joint: Stage
    restart: Stage
    class_weights: tuple[float, ...] = (1.0, 1.0, 3.0)
    topk_fraction: float = 0.05
    focal_gamma: float = 2.0
    weight_decay: float = 1e-4

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the training record."""
        return asdict(self)


@dataclass(frozen=True)
class CohortSizes:
    """Phantom patients per purpose; the five groups share no patient.

    Parameters
    ----------
    pretraining
        For the network that all folds start from. They train in every fold and validate in none.
    training
        Split into five 80/20 folds.
    calibration
        Choose calibration, operating point and localisation settings.
    test
        Held out; choose nothing.
    pretraining_negatives, training_negatives
        Regions of healthy breasts, at most one per patient.
    whole_calibration, whole_test
        Whole four-view exams among the last two groups, for the localisation.
    """

    pretraining: int = 1000
    training: int = 500
    calibration: int = 150
    test: int = 300
    pretraining_negatives: int = 200
    training_negatives: int = 250
    whole_calibration: int = 10
    whole_test: int = 30


@dataclass(frozen=True)
class DemoPlan:
    """Everything that `dcis-train demo-bundle` does, but for the seed."""

    fit: FitPlan
    sizes: CohortSizes = field(default_factory=CohortSizes)
    folds: int = 5
    scenario: str = "grade"

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the training record."""
        return asdict(self)


def demo_plan() -> DemoPlan:
    """Give the plan of the shipped bundle: at most 90 minutes on two free cores."""
    joint = Stage(
        steps=320,
        batch=16,
        learning_rate=1.5e-3,
        negative_share=0.08,
        segmented_share=0.25,
        classification_weight=8.0,
    )
    fit = FitPlan(
        network=PRESETS["demo"],
        preprocessing=Preprocessing(input_spacing_mm=0.14, crop_px=512, tile_px=512, overlap_px=64),
        augmentation=Augmentation(noise=0.02),
        train_crop_px=256,
        pretraining=(Stage(steps=520, learning_rate=2e-3), replace(joint, steps=900, learning_rate=2e-3)),
        segmentation=Stage(steps=10, learning_rate=5e-4, warm_up=5),
        joint=joint,
        restart=replace(joint, steps=420, batch=10, negative_share=0.1, segmented_share=0.7),
        topk_fraction=0.10,
    )
    return DemoPlan(fit=fit)


def quick_plan() -> DemoPlan:
    """Give a plan of a few minutes that runs every part of the chain. Its bundle loads and knows little."""
    plan = demo_plan()
    fit = replace(
        plan.fit,
        pretraining=tuple(replace(stage, steps=60) for stage in plan.fit.pretraining),
        segmentation=replace(plan.fit.segmentation, steps=5, warm_up=2),
        joint=replace(plan.fit.joint, steps=50, warm_up=10),
        restart=replace(plan.fit.restart, steps=10, warm_up=2),
    )
    sizes = CohortSizes(
        pretraining=80,
        training=80,
        pretraining_negatives=20,
        training_negatives=20,
        calibration=40,
        test=40,
        whole_calibration=3,
        whole_test=4,
    )
    return replace(plan, fit=fit, sizes=sizes)
