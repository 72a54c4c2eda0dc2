"""Tiny bundles, so that every test runs the whole path in a moment."""

from pathlib import Path

import pytest
import torch

from dcis_node.model.bundle import Bundle, write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import NetworkConfig, UNet
from dcis_node.model.preprocess import Preprocessing


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_config() -> NetworkConfig:
    return NetworkConfig(width=2, depth=3, norm="batch", dropout=0.0, segmentation_classes=3, branch_channels=2)


@pytest.fixture
def tiny_settings(tiny_config):
    return {
        "name": "tiny-synthetic",
        "version": "0.0.1",
        "scenario": "grade",
        "synthetic": True,
        "network": tiny_config,
        "preprocessing": Preprocessing(input_spacing_mm=0.14, crop_px=64, tile_px=64, overlap_px=16),
        "localisation": Localisation(min_area_mm2=0.5),
        "calibration": Calibration(slope=1.2, intercept=-0.3),
        "threshold": 0.4,
        "figures": {"auc": 0.5},
        "training": {"seed": 1},
    }


@pytest.fixture
def make_bundle(tmp_path: Path, tiny_settings):
    def make(name: str = "bundle", folds: int = 2, **changes: object) -> Bundle:
        settings = {**tiny_settings, **changes}
        weights = []
        for seed in range(folds):
            torch.manual_seed(seed)
            weights.append(UNet(settings["network"]).state_dict())
        return write_bundle(tmp_path / name, weights, settings=settings)

    return make
