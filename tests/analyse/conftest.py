from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from dcis_node.model.bundle import Bundle, load_bundle
from tests.analyse.nodes import Node
from tests.analyse.tiny import write_tiny_bundle


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two random folds, far too small to know anything."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


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
