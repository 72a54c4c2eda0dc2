"""Which bundle of the registry a user means, and which one speaks now."""

from dcis_node.errors import TrainingError
from storage.registry import Registry
from training.bundle_word import sha256_in, shipped_sha256

# Fewer digits are too easily another bundle's.
LEAST_DIGITS = 6


def find_bundle(registry: Registry, word: str) -> str:
    """Give the SHA-256 of the published bundle that a user means.

    Parameters
    ----------
    word
        The first digits of its hash, the folder that it was published from, or `demo` for the shipped one.

    Raises
    ------
    TrainingError
        It is not published, or the digits are too few, or those of several.
    BundleError
        The folder's manifest cannot be read.
    """
    known = [bundle.sha256 for bundle in registry.listed()]
    digits = sha256_in(word) or word
    found = [sha256 for sha256 in known if sha256.startswith(digits.lower())]
    if len(digits) >= LEAST_DIGITS and len(found) == 1:
        return found[0]
    listed = ", ".join(sha256[:12] for sha256 in known) or "none"
    msg = f"{word!r} names no single bundle of the registry; give at least {LEAST_DIGITS} digits of one of: {listed}"
    raise TrainingError(msg)


def speaking_bundle(registry: Registry) -> str:
    """Give the bundle that a node with this registry uses: the active one, else the shipped one."""
    active = registry.active()
    return shipped_sha256() if active is None else active.sha256
