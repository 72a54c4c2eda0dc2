"""The model bundles that a configuration names."""

from dcis_node.analyse.bundles import Bundles, OneBundle, RegistryBundles
from dcis_node.config import Configuration
from dcis_node.model.bundle import Bundle, demo_bundle_folder, load_bundle
from storage.registry import Registry


def bundles_of(configuration: Configuration) -> Bundles:
    """Give the bundle that the configuration names, or the registry of which the active one is taken.

    Raises
    ------
    BundleError
        The one bundle is not there, altered, of another hash than demanded, or needs settings unknown here.
    """
    if configuration.takes_registry:
        return RegistryBundles(Registry(configuration.registry_folder), shipped=demo_bundle_folder())
    name = configuration.analyse.bundle
    folder = demo_bundle_folder() if name == "demo" else configuration.base / name
    return OneBundle(load_bundle(folder, expected_sha256=configuration.analyse.bundle_sha256 or None))


def bundle_of(configuration: Configuration) -> Bundle:
    """Load the bundle that new exams are judged by.

    Raises
    ------
    BundleError
        It is not there, altered, of another hash than demanded, or needs settings unknown here.
    StorageError
        The registry says nothing that can be relied on.
    """
    return bundles_of(configuration).active()
