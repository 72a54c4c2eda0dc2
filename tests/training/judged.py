"""What the tests of judging share: a few small phantoms, their splits, an untrained bundle, a run that is done."""

import json
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import save_file

from dcis_node.model.bundle import Bundle, write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import NetworkConfig, UNet
from dcis_node.model.preprocess import Preprocessing
from dcis_node.phantom.patient import generate_patient
from tests.training.fitted import tiny_recipe
from training.cohort import Cohort, write_cohort
from training.images_phantom import phantom_rows
from training.run import FoldPatients, Run, create_run
from training.splits import Splits, draw_splits, read_splits, write_splits

SIZE = (480, 400)
NETWORK = NetworkConfig(width=2, depth=2, norm="batch", dropout=0.0, segmentation_classes=3, branch_channels=2)
PREPROCESSING = Preprocessing(input_spacing_mm=0.28, crop_px=64, tile_px=64, overlap_px=16)


def small_cohort(folder: Path, *, each: int = 4, first: int = 0) -> Cohort:
    """`each` patients of every grade."""
    count: Counter[int] = Counter()
    views = []
    seed = first
    while min((count[grade] for grade in (1, 2, 3)), default=0) < each:
        grade = generate_patient(seed, vendor="hologic", size=SIZE).lesion.grade
        if count[grade] < each:
            count[grade] += 1
            views += phantom_rows(seed, patient=f"p{seed:03d}", vendor="hologic", size=SIZE, first_image=4 * seed)
        seed += 1
    return write_cohort(folder, images=folder, synthetic=True, views=views)


def small_splits(path: Path, cohort: Cohort, **changes: object) -> Splits:
    """Half of the patients are the test's."""
    settings = {"seed": 1, "folds": 2, "test_share": 0.4, "validation_share": 0.4, **changes}
    write_splits(path, draw_splits(cohort, **settings))
    return read_splits(path, cohort)


def weights(seed: int, network: NetworkConfig = NETWORK) -> dict[str, torch.Tensor]:
    """A network that learnt nothing."""
    torch.manual_seed(seed)
    return UNet(network).state_dict()


def untrained_bundle(folder: Path, *, folds: int = 2, **changes: object) -> Bundle:
    """Outlines much, as an untrained network's probabilities lie about one half."""
    settings = {
        "name": "tiny-synthetic",
        "version": "0",
        "scenario": "upstage",
        "synthetic": True,
        "network": NETWORK,
        "preprocessing": PREPROCESSING,
        "localisation": Localisation(threshold=0.5, min_area_mm2=0.5),
        "calibration": Calibration(),
        "threshold": 0.4,
        "figures": {},
        "training": {},
        **changes,
    }
    return write_bundle(folder, [weights(seed) for seed in range(folds)], settings=settings)


def done_run(folder: Path, cohort: Cohort, splits: Splits) -> Run:
    """A run of untrained folds."""
    recipe = tiny_recipe(network=NETWORK, preprocessing=PREPROCESSING)
    run = create_run(
        Run(
            folder=folder,
            kind="folds",
            recipe=recipe,
            asked_sha256="",
            scenario="upstage",
            seed=1,
            cohort_sha256=cohort.sha256,
            extra_sha256="",
            splits_sha256=splits.sha256,
            pretrained=None,
            synthetic=True,
            folds=tuple(FoldPatients(fold.training, fold.validation) for fold in splits.folds),
            software={"torch": torch.__version__},
        )
    )
    for number, fold in zip(run.numbers, run.folds, strict=True):
        run.fold_folder(number).mkdir()
        save_file(weights(number), run.fold_folder(number) / "weights.safetensors")
        members = {*fold.training, *fold.validation}
        seen = sorted(row.pixels_sha256[:12] for row in cohort.views if row.patient in members)
        done = {"patient_auc": 0.6, "dice": 0.5, "seen": seen}
        (run.fold_folder(number) / "done.json").write_text(json.dumps(done), encoding="ascii")
    return run
