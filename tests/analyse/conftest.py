from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydicom import dcmread

from dcis_node.model.bundle import Bundle, load_bundle, write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import NetworkConfig, UNet
from dcis_node.model.preprocess import Preprocessing
from tests.analyse.nodes import Node


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two random folds, far too small to know anything."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    network = NetworkConfig(width=2, depth=3, norm="batch", dropout=0.0, branch_channels=2)
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
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
            "localisation": Localisation(threshold=0.4, min_area_mm2=0.0),
            "calibration": Calibration(),
            "threshold": 0.5,
            "figures": {},
            "training": {},
        },
    )
    return folder


@pytest.fixture(scope="session")
def bundle(bundle_folder: Path) -> Bundle:
    return load_bundle(bundle_folder)


@pytest.fixture
def node(tmp_path: Path, bundle: Bundle) -> Iterator[Node]:
    """A node whose worker has a fake ensemble."""
    made = Node(tmp_path, bundle)
    yield made
    made.db.close()


@pytest.fixture(scope="session")
def other_bundle(bundle: Bundle) -> Bundle:
    """The same weights under another identity."""
    return replace(bundle, sha256="0" * 64)


@pytest.fixture
def fast_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process: the child is tested on its own, and in the mixed bag."""
    monkeypatch.setattr(
        "dcis_node.analyse.view.decode_pixels", lambda path, _settings, *, scratch: dcmread(path).pixel_array
    )
