"""Which bundle of the registry a user means, and which one speaks now."""

from dcis_node.errors import TrainingError
from dcis_node.model.bundle import demo_bundle_folder
from dcis_node.model.manifest import MANIFEST_NAME, manifest_sha256, parse_manifest
from storage.registry import Registry

# Fewer digits are too easily another bundle's.
LEAST_DIGITS = 6


def find_bundle(registry: Registry, digits: str) -> str:
    """Give the SHA-256 of the published bundle that begins with these digits.

    Raises
    ------
    TrainingError
        None does, or several do, or there are too few digits.
    """
    known = [bundle.sha256 for bundle in registry.listed()]
    found = [sha256 for sha256 in known if sha256.startswith(digits.lower())]
    if len(digits) >= LEAST_DIGITS and len(found) == 1:
        return found[0]
    listed = ", ".join(sha256[:12] for sha256 in known) or "none"
    msg = f"{digits!r} names no single bundle of the registry; give at least {LEAST_DIGITS} digits of one of: {listed}"
    raise TrainingError(msg)


def speaking_bundle(registry: Registry) -> str:
    """Give the bundle that a node with this registry uses: the active one, else the shipped one."""
    active = registry.active()
    return shipped_sha256() if active is None else active.sha256


def shipped_sha256() -> str:
    """Give the hash of the bundle that is shipped with the node."""
    return manifest_sha256(parse_manifest((demo_bundle_folder() / MANIFEST_NAME).read_bytes()))
