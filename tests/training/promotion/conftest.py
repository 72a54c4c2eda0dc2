from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dcis_node.model.bundle import Bundle, load_bundle
from storage.registry import Registry
from tests.training.promotion.judged import evaluation_of, judged_views, tiny_bundle
from training.evaluation import Evaluation
from training.promotion.gates import registry_with

NOW = 1_700_000_000.0


@pytest.fixture(scope="session", autouse=True)
def _few_draws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.promotion.comparison.SAMPLES", 200)
        yield


@pytest.fixture(scope="session")
def bundle_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three bundles: `shipped`, `better`, `worse`."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bundles")
    for seed, name in enumerate(("shipped", "better", "worse")):
        tiny_bundle(folder / name, seed)
    return folder


@pytest.fixture(scope="session")
def good(bundles: dict[str, Bundle]) -> Evaluation:
    return evaluation_of(bundles["better"], judged_views(noise=0.15))


@pytest.fixture(scope="session")
def middling(bundles: dict[str, Bundle]) -> Evaluation:
    return evaluation_of(bundles["shipped"], judged_views(noise=0.3, seed=2, miss=0.1))


@pytest.fixture(scope="session")
def bad(bundles: dict[str, Bundle]) -> Evaluation:
    return evaluation_of(bundles["worse"], judged_views(noise=0.7, seed=3, miss=0.4))


@pytest.fixture(scope="session")
def bundles(bundle_folders: Path) -> dict[str, Bundle]:
    return {path.name: load_bundle(path) for path in bundle_folders.iterdir()}


@pytest.fixture
def shipped(bundle_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the node be shipped with a tiny bundle."""
    monkeypatch.setattr("training.bundle_word.demo_bundle_folder", lambda: bundle_folders / "shipped")
    return bundle_folders / "shipped"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return registry_with(tmp_path / "registry", None, now=NOW)
