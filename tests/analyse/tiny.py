"""A bundle far too small to know anything, for tests and benchmarks that are about everything but the model."""

from pathlib import Path

import torch

from dcis_node.model.bundle import write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import NetworkConfig, UNet
from dcis_node.model.preprocess import Preprocessing


def write_tiny_bundle(folder: Path, *, threshold: float = 0.4) -> Path:
    """Write a bundle of two random folds; gives its folder. A lower `threshold` lets them find something."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    network = NetworkConfig(width=2, depth=3, norm="batch", dropout=0.0, branch_channels=2)
    write_bundle(
        folder,
        [UNet(network).state_dict() for _ in range(2)],
        settings={
            "name": "tiny-synthetic",
            "version": "0",
            "scenario": "upstage",
            "synthetic": True,
            "network": network,
            "preprocessing": Preprocessing(input_spacing_mm=0.2, crop_px=64, tile_px=64, overlap_px=8),
            "localisation": Localisation(threshold=threshold, min_area_mm2=0.0),
            "calibration": Calibration(),
            "threshold": 0.5,
            "figures": {},
            "training": {},
        },
    )
    return folder
