"""Bundles far too small to know anything, and evaluations that say of them what a test wants."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dcis_node.model.bundle import Bundle, write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import NetworkConfig, UNet
from dcis_node.model.preprocess import Preprocessing
from training.evaluation import Evaluation, JudgedView, write_evaluation
from training.evaluation_figures import figures_of
from training.patients import judge_patients

TEST_SET, OTHER_TEST_SET = "1" * 64, "2" * 64
PATIENTS = 60


def tiny_bundle(folder: Path, seed: int, *, threshold: float = 0.5, synthetic: bool = True) -> Bundle:
    """Write a bundle of one random fold."""
    torch.manual_seed(seed)
    network = NetworkConfig(width=2, depth=3, norm="batch", dropout=0.0, branch_channels=2)
    settings = {
        "name": "tiny-synthetic",
        "version": str(seed),
        "scenario": "grade",
        "synthetic": synthetic,
        "network": network,
        "preprocessing": Preprocessing(input_spacing_mm=0.2, crop_px=64, tile_px=64, overlap_px=8),
        "localisation": Localisation(threshold=0.4, min_area_mm2=0.0),
        "calibration": Calibration(),
        "threshold": threshold,
        "figures": {},
        "training": {},
    }
    return write_bundle(folder, [UNet(network).state_dict()], settings=settings)


def judged_views(*, noise: float, seed: int = 1, miss: float = 0.0, swept: bool = True) -> list[JudgedView]:
    """Give one view each of 60 patients, 20 of them high risk.

    Parameters
    ----------
    noise
        How far probabilities stray from 0.05 and 0.95; with 0.15 the areas are 1.
    miss
        Share of first marks that are wrong.
    """
    rng = np.random.default_rng(seed)
    views = []
    for number in range(PATIENTS):
        high = number % 3 == 0
        p = float(np.clip((0.95 if high else 0.05) + noise * rng.standard_normal(), 0.01, 0.99))
        hit = bool(rng.random() >= miss)
        views.append(
            JudgedView(
                image=f"i{number}",
                patient=f"p{number:03d}",
                laterality="L",
                view="CC",
                label=int(high),
                lesion=True,
                vendor="hologic" if number % 2 else "ge",
                given_probabilities=(p,),
                given_dice=0.7,
                found_probabilities=(p,) if swept else (),
                swept=swept,
                hit=hit and swept,
                any_hit=hit and swept,
                marks=1 if swept else 0,
                false_marks=int(swept and not hit),
                found_dice=(0.6 if hit else 0.0) if swept else None,
            )
        )
    return views


def evaluation_of(
    bundle: Bundle, views: list[JudgedView], *, test_sha256: str = TEST_SET, leak_check: str = "passed"
) -> Evaluation:
    """Make an evaluation as the verb does."""
    patients = judge_patients(views)
    npv = {"aim": 0.909, "threshold": None, "rule": "none"}
    figures = figures_of(
        views, patients, data="synthetic", scenario="grade", threshold=bundle.threshold, npv=npv, seed=1
    )
    return Evaluation(
        bundle_sha256=bundle.sha256,
        bundle_name=bundle.name,
        bundle_version=bundle.version,
        synthetic=bundle.synthetic,
        scenario="grade",
        threshold=bundle.threshold,
        cohort_sha256="c" * 64,
        splits_sha256="5" * 64,
        test_sha256=test_sha256,
        leak_check=leak_check,
        made_at="2026-11-23T12:00:00+00:00",
        views=tuple(views),
        patients=patients,
        figures=figures,
        source={},
    )


def written(evaluation: Evaluation, folder: Path) -> Path:
    """Write an evaluation; give its file."""
    write_evaluation(folder / "evaluation.json", evaluation)
    return folder / "evaluation.json"


def of_bundle(evaluation: Evaluation, bundle: Bundle, **changes) -> Evaluation:
    """Say the same of another bundle."""
    named = {
        "bundle_sha256": bundle.sha256,
        "bundle_version": bundle.version,
        "synthetic": bundle.synthetic,
        "threshold": bundle.threshold,
    }
    return replace(evaluation, **{**named, **changes})
