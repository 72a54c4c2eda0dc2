"""One ensemble of the shipped bundle for all exams."""

import pytest
import torch

from dcis_node.model.bundle import demo_bundle_folder, load_bundle
from dcis_node.model.predict import Ensemble


@pytest.fixture(scope="package")
def ensemble() -> Ensemble:
    torch.set_num_threads(1)
    return Ensemble(load_bundle(demo_bundle_folder()), torch.device("cpu"))
