"""The settings of a training run. What is written here travels into the run, and from there into the bundle."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from dcis_node.model.network import NetworkConfig
from dcis_node.model.preprocess import Preprocessing
from training.augment import Augmentation

_STRICT = ConfigDict(extra="forbid")
Share = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True, config=_STRICT)
class Stage:
    """One stage of a fit. The defaults are the paper's (method: optimiser, order).

    Parameters
    ----------
    name
        Of the stage, such as `segmentation`, `joint`.
    epochs
        Passes over the training views with a lesion (or `Recipe.steps_per_epoch` steps each).
    batch
        Crops per optimiser step, over all devices.
    learning_rate, reference_batch
        Peak rate of a batch of that size; another batch scales it linearly.
    schedule
        `halving`: times 0.5 each `halve_every` epochs, as the paper; `cosine`: down to a hundredth of the peak.
    warm_up_epochs
        Linear rise at the start (lab: half an epoch).
    sampler
        `pass`: each view once an epoch, in a new order, as the paper; `balanced`: both classes equally often.
    negative_share
        Share of crops without a lesion (muscle, skin, vessels, air), so that a sweep meets nothing it never saw. They
        are not counted in an epoch.
    segmented_share
        Share of the batch that runs through the decoder. 1 is the paper.
    classification_weight
        Factor of the focal loss against the pixel loss (paper: 1). 0 = segmentation only.
    weak_masks
        Train on lesions that are only marked by a box or the like, too.
    fresh_branch
        Start from a new classification branch.
    keep
        Which weights the stage hands on: the `last`, or those with the best validation Dice or AUC.
    validate_every
        Epochs between two validations; the last epoch is always validated.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)] = 16
    learning_rate: Annotated[float, Field(gt=0.0)] = 2.5e-4
    reference_batch: Annotated[int, Field(ge=1)] = 16
    schedule: Literal["halving", "cosine"] = "halving"
    halve_every: Annotated[int, Field(ge=1)] = 150
    warm_up_epochs: Annotated[float, Field(ge=0.0)] = 0.5
    sampler: Literal["pass", "balanced"] = "pass"
    negative_share: Share = 0.0
    segmented_share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    classification_weight: Annotated[float, Field(ge=0.0)] = 0.0
    weak_masks: bool = False
    fresh_branch: bool = False
    keep: Literal["last", "best_dice", "best_auc"] = "last"
    validate_every: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """How a run is fitted: network, crops, augmentation, losses, stages.

    Parameters
    ----------
    train_crop_px
        Side of the training crop in input pixels (paper: 1024 stored ones).
    stages
        Of each fold, one after the other.
    pretraining
        Stages of `dcis-train fit --pretrain`, over all patients of a cohort that no fold validates on.
    steps_per_epoch
        None: as many as one pass takes.
    class_weights
        Pixel loss by class: background, lesion region, calcification.
    topk_fraction, focal_gamma
        See `training.losses`.
    folds
        How many (paper: five).
    micro_batch
        Crops that run through the network at once; a batch of several is accumulated. None: whatever fits.
    precision
        `auto`: bfloat16 where the device computes it fast, else float32.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    network: NetworkConfig
    preprocessing: Preprocessing
    augmentation: Augmentation
    train_crop_px: Annotated[int, Field(ge=32)]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    pretraining: tuple[Stage, ...] = ()
    steps_per_epoch: Annotated[int, Field(ge=1)] | None = None
    class_weights: tuple[float, ...] = (1.0, 1.0, 3.0)
    topk_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    focal_gamma: Annotated[float, Field(ge=0.0)] = 2.0
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4
    folds: Annotated[int, Field(ge=1, le=20)] = 5
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def to_json(self) -> dict[str, Any]:
        """Give plain values; `Recipe(**values)` restores an equal one."""
        return asdict(self)
