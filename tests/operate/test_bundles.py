"""Which bundle a configuration means, and what `check` says of it."""

import pytest

from dcis_node.config import AnalyseSettings, Configuration
from dcis_node.errors import BundleError
from dcis_node.model.bundle import Bundle, demo_bundle_folder, load_bundle
from dcis_node.operate import doctor
from dcis_node.operate.bundles import bundle_of
from dcis_node.operate.findings import Verdict
from storage.database import open_database, upgrade
from storage.registry import Registry, create_registry
from storage.schema import Report
from tests.storage.outbox.rows import make_report


@pytest.fixture(scope="module")
def demo() -> Bundle:
    return load_bundle(demo_bundle_folder())


def configured(base, **settings) -> Configuration:
    return Configuration(base=base, analyse=AnalyseSettings(**settings))


def promoted(folder, bundle) -> Registry:
    registry = create_registry(folder, gates=b"", now=1.0)
    names = ["manifest.json", *(file.name for file in bundle.manifest.weights)]
    registry.publish(demo_bundle_folder(), bundle.sha256, names=names, check=load_bundle, now=1.0)
    registry.activate(bundle.sha256, comparison="", expected="", now=1.0)
    return registry


def checked(configuration):
    (finding,) = doctor._guarded(doctor._bundle, configuration)
    return finding


def test_the_shipped_bundle_and_a_folder_are_taken_as_they_are_named(tmp_path, demo):
    assert bundle_of(configured(tmp_path)).sha256 == demo.sha256
    assert bundle_of(configured(tmp_path, bundle=str(demo_bundle_folder()))).sha256 == demo.sha256
    with pytest.raises(BundleError, match="not the expected"):
        bundle_of(configured(tmp_path, bundle_sha256="0" * 64))


def test_a_registry_without_a_promotion_means_the_shipped_bundle(tmp_path, demo):
    configuration = configured(tmp_path, bundle="registry")
    assert bundle_of(configuration).sha256 == demo.sha256
    assert "nothing was promoted" in checked(configuration).detail


def test_check_shows_the_active_bundle_of_the_registry_and_its_hash(tmp_path, demo):
    promoted(tmp_path / "models", demo)
    finding = checked(configured(tmp_path, bundle="registry", registry="models"))
    assert demo.sha256 in finding.detail
    assert f"active in {tmp_path / 'models'} since 1970-01-01T00:00:01+00:00" in finding.detail
    assert finding.verdict is Verdict.WARN


def test_check_fails_when_the_active_bundle_was_altered(tmp_path, demo):
    registry = promoted(tmp_path / "registry", demo)
    (registry.bundle_folder(demo.sha256) / "fold-1.safetensors").unlink()
    finding = checked(configured(tmp_path, bundle="registry"))
    assert (finding.verdict, "fold-1.safetensors" in finding.detail) == (Verdict.FAIL, True)


def test_check_fails_when_the_registry_that_this_node_judged_by_is_gone(tmp_path, demo):
    registry = promoted(tmp_path / "registry", demo)
    configuration = configured(tmp_path, bundle="registry")
    configuration.folder.mkdir()
    upgrade(configuration.index_url)
    db = open_database(configuration.index_url)
    report = make_report(db)
    with db.write() as session:
        session.get_one(Report, report).bundle_sha256 = "0" * 64
    db.close()
    assert checked(configuration).verdict is Verdict.WARN
    registry.folder.rename(tmp_path / "elsewhere")
    finding = checked(configuration)
    assert (finding.verdict, "is not there" in finding.detail) == (Verdict.FAIL, True)
