"""Where the worker's model bundles come from: one that the configuration names, or the active one of a registry."""

from pathlib import Path
from typing import Protocol

from dcis_node.errors import BundleError, StorageError
from dcis_node.model.bundle import Bundle, load_bundle
from storage.registry import Registry

# What changes whenever the active bundle does; compared only.
Stamp = tuple[int, int, int] | None


class Bundles(Protocol):
    """What a worker needs to know of bundles."""

    def stamp(self) -> Stamp:
        """Give what changes whenever the active bundle does; cheap enough to ask before each item."""

    def active(self) -> Bundle:
        """Load the bundle that new exams are judged by."""

    def find(self, sha256: str) -> Bundle:
        """Load the bundle of that hash."""

    def before(self) -> Bundle | None:
        """Load the bundle that was active before; None if there is none."""


class OneBundle:
    """A bundle that never changes while the node runs."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def stamp(self) -> Stamp:
        """Give None: nothing changes."""
        return None

    def active(self) -> Bundle:
        """Give the bundle."""
        return self._bundle

    def find(self, sha256: str) -> Bundle:
        """Give the bundle.

        Raises
        ------
        BundleError
            It is another one.
        """
        if sha256 != self._bundle.sha256:
            msg = f"bundle {sha256} is not the configured one"
            raise BundleError(msg)
        return self._bundle

    def before(self) -> Bundle | None:
        """Give None: there was none."""
        return None


class RegistryBundles:
    """The bundles of a registry, and the shipped one, which is active until another is promoted.

    Parameters
    ----------
    registry
        It need not be there yet.
    shipped
        Folder of the shipped bundle.
    last_used
        SHA-256 of the bundle by which this node judged last; "" if it has not.
    """

    def __init__(self, registry: Registry, *, shipped: Path, last_used: str = "") -> None:
        self._registry = registry
        self._shipped = shipped
        self._last_used = last_used
        self._was_there = False

    def stamp(self) -> Stamp:
        """Give what changes with `active.json`; None if there is none."""
        return self._registry.stamp()

    def active(self) -> Bundle:
        """Load the active bundle, every byte of it checked.

        The shipped one stands in for a registry that never was. A registry that was, and is gone, is a disk that is not
        mounted: then nobody's images are judged by a synthetic model in its place.

        Raises
        ------
        StorageError
            The registry says nothing that can be relied on, or it was there and is not any more.
        BundleError
            The bundle does not load.
        """
        active = self._registry.active()
        if active is not None:
            self._was_there = True
            return self._load(active.sha256)
        shipped = load_bundle(self._shipped)
        if self._registry.is_there:
            self._was_there = True
        elif self._was_there or self._last_used not in {"", shipped.sha256}:
            gone = f"the registry of models {self._registry.folder} is not there"
            raise StorageError(f"{gone}, and this node judged by another model than the shipped one: mount it")
        return shipped

    def find(self, sha256: str) -> Bundle:
        """Load a bundle of the registry, or the shipped one.

        Raises
        ------
        StorageError, BundleError
            It is neither, or does not load.
        """
        if self._registry.bundle_folder(sha256).is_dir():
            return self._load(sha256)
        return load_bundle(self._shipped, expected_sha256=sha256)

    def before(self) -> Bundle | None:
        """Load the bundle that a rollback would make active; None if nothing was ever promoted.

        Raises
        ------
        StorageError, BundleError
            As `active`.
        """
        previous = self._registry.previous()
        if previous is None:
            return None
        return self._load(previous) if previous else load_bundle(self._shipped)

    def _load(self, sha256: str) -> Bundle:
        return load_bundle(self._registry.bundle_folder(sha256), expected_sha256=sha256)
