"""The words by which a user names a bundle on disk."""

from pathlib import Path

from dcis_node.model.bundle import demo_bundle_folder
from dcis_node.model.manifest import MANIFEST_NAME, manifest_sha256, parse_manifest

# The word for the bundle that is shipped with the node.
DEMO = "demo"


def bundle_folder_of(word: str) -> Path:
    """Give the folder that a user means: `demo` is the shipped bundle."""
    return demo_bundle_folder() if word == DEMO else Path(word)


def sha256_in(word: str) -> str | None:
    """Give the hash of the bundle in the folder that a user means; None if that is no folder of a bundle.

    Raises
    ------
    BundleError
        Its manifest cannot be read.
    """
    manifest = bundle_folder_of(word) / MANIFEST_NAME
    return manifest_sha256(parse_manifest(manifest.read_bytes())) if word and manifest.is_file() else None


def shipped_sha256() -> str:
    """Give the hash of the bundle that is shipped with the node."""
    return manifest_sha256(parse_manifest((demo_bundle_folder() / MANIFEST_NAME).read_bytes()))
