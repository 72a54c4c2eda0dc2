from pathlib import Path

import pytest

from dcis_node.analyse.bundles import OneBundle, RegistryBundles
from dcis_node.errors import BundleError, StorageError
from dcis_node.model.bundle import Bundle, load_bundle, write_bundle
from storage.registry import Registry, create_registry

NOW = 1_700_000_000.0


def variant(folder: Path, bundle: Bundle, version: str) -> Bundle:
    """Write the same weights as another bundle."""
    settings = {name: getattr(bundle.manifest, name) for name in type(bundle.manifest).model_fields}
    del settings["format"], settings["weights"]
    return write_bundle(folder, bundle.folds, settings={**settings, "version": version, "research_use_only": True})


@pytest.fixture
def registry(tmp_path) -> Registry:
    return create_registry(tmp_path / "registry", gates=b"", now=NOW)


@pytest.fixture
def bundles(registry, bundle_folder) -> RegistryBundles:
    return RegistryBundles(registry, shipped=bundle_folder)


def publish(registry: Registry, folder: Path, bundle: Bundle, version: str) -> str:
    made = variant(folder / version, bundle, version)
    names = ["manifest.json", *(file.name for file in made.manifest.weights)]
    registry.publish(folder / version, made.sha256, names=names, check=load_bundle, now=NOW)
    return made.sha256


def test_one_bundle_is_itself_only(bundle):
    one = OneBundle(bundle)
    assert one.active() is one.find(bundle.sha256) is bundle
    assert one.stamp() is None
    assert one.before() is None
    with pytest.raises(BundleError, match="not the configured one"):
        one.find("0" * 64)


def test_without_a_registry_the_shipped_bundle_is_active(tmp_path, bundle, bundle_folder):
    bundles = RegistryBundles(Registry(tmp_path / "none"), shipped=bundle_folder)
    assert bundles.stamp() is None
    assert bundles.active().sha256 == bundles.find(bundle.sha256).sha256 == bundle.sha256
    assert bundles.before() is None


def test_the_promoted_bundle_is_active_and_the_one_before_can_be_had(bundles, registry, tmp_path, bundle):
    one, two = (publish(registry, tmp_path, bundle, version) for version in "12")
    registry.activate(one, comparison="", expected="", now=NOW)
    first = bundles.stamp()
    assert bundles.active().sha256 == one
    assert bundles.before().sha256 == bundle.sha256
    registry.activate(two, comparison="", expected=one, now=NOW)
    assert bundles.stamp() != first
    assert bundles.active().sha256 == two
    assert bundles.before().sha256 == bundles.find(one).sha256 == one


def test_an_altered_bundle_does_not_load(bundles, registry, tmp_path, bundle):
    one = publish(registry, tmp_path, bundle, "1")
    registry.activate(one, comparison="", expected="", now=NOW)
    path = registry.bundle_folder(one) / "fold-1.safetensors"
    path.chmod(0o644)
    path.write_bytes(b"no weights")
    with pytest.raises(BundleError, match=r"fold-1\.safetensors was altered"):
        bundles.active()


def test_an_edited_switch_is_no_switch(bundles, registry, tmp_path, bundle):
    one, two = (publish(registry, tmp_path, bundle, version) for version in "12")
    registry.activate(one, comparison="", expected="", now=NOW)
    path = registry.folder / "active.json"
    path.write_text(path.read_text().replace(one, two))
    with pytest.raises(StorageError, match="no such switch"):
        bundles.active()


def test_an_unknown_bundle_is_not_found(bundles):
    with pytest.raises(BundleError, match="not the expected"):
        bundles.find("0" * 64)


def test_a_registry_that_vanishes_is_not_replaced_by_the_shipped_bundle(bundles, registry, tmp_path, bundle):
    """As when its disk is gone: an empty folder is there in its place, or none."""
    one = publish(registry, tmp_path, bundle, "1")
    registry.activate(one, comparison="", expected="", now=NOW)
    assert bundles.active().sha256 == one
    registry.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is not there, and this node judged by another model"):
        bundles.active()
    registry.folder.mkdir()
    with pytest.raises(StorageError, match="mount it"):
        bundles.active()
    registry.folder.rmdir()
    (tmp_path / "elsewhere").rename(registry.folder)
    assert bundles.active().sha256 == one


@pytest.mark.parametrize("made", [False, True])
def test_a_registry_that_is_not_there_at_the_start_of_a_node_that_judged_by_it_is_refused(
    tmp_path, bundle, bundle_folder, made
):
    registry = Registry(tmp_path / "none")
    if made:
        registry.folder.mkdir()
    with pytest.raises(StorageError, match="is not there"):
        RegistryBundles(registry, shipped=bundle_folder, last_used="0" * 64).active()
    assert RegistryBundles(registry, shipped=bundle_folder, last_used=bundle.sha256).active().sha256 == bundle.sha256


def test_after_a_rollback_to_the_shipped_bundle_the_registry_says_so(registry, tmp_path, bundle, bundle_folder):
    one = publish(registry, tmp_path, bundle, "1")
    registry.activate(one, comparison="", expected="", now=NOW)
    registry.roll_back(now=NOW)
    assert RegistryBundles(registry, shipped=bundle_folder, last_used=one).active().sha256 == bundle.sha256
