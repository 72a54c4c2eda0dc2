"""The model bundle that a configuration names."""

from dcis_node.config import Configuration
from dcis_node.model.bundle import Bundle, demo_bundle_folder, load_bundle


def bundle_of(configuration: Configuration) -> Bundle:
    """Load the bundle that the configuration names.

    Raises
    ------
    BundleError
        It is not there, altered, of another hash than demanded, or needs settings unknown here.
    """
    name = configuration.analyse.bundle
    folder = demo_bundle_folder() if name == "demo" else configuration.base / name
    return load_bundle(folder, expected_sha256=configuration.analyse.bundle_sha256 or None)
