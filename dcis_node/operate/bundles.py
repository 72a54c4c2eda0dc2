"""The model bundles that a configuration names."""

from dcis_node.analyse.bundles import Bundles, OneBundle, RegistryBundles
from dcis_node.config import Configuration
from dcis_node.model.bundle import Bundle, demo_bundle_folder, load_bundle
from storage.registry import Registry


def bundles_of(configuration: Configuration, *, last_used: str = "") -> Bundles:
    """Give the bundle that the configuration names, or the registry of which the active one is taken.

    Parameters
    ----------
    last_used
        SHA-256 of the bundle by which this node judged last; "" if it has not, or that is not known.

    Raises
    ------
    BundleError
        The one bundle is not there, altered, of another hash than demanded, or needs settings unknown here.
    """
    if configuration.takes_registry:
        registry = Registry(configuration.registry_folder)
        return RegistryBundles(registry, shipped=demo_bundle_folder(), last_used=last_used)
    name = configuration.analyse.bundle
    folder = demo_bundle_folder() if name == "demo" else configuration.base / name
    return OneBundle(load_bundle(folder, expected_sha256=configuration.analyse.bundle_sha256 or None))


def bundle_of(configuration: Configuration, *, last_used: str = "") -> Bundle:
    """Load the bundle that new exams are judged by (`last_used`: see `bundles_of`).

    Raises
    ------
    BundleError
        It is not there, altered, of another hash than demanded, or needs settings unknown here.
    StorageError
        The registry says nothing that can be relied on.
    """
    return bundles_of(configuration, last_used=last_used).active()
