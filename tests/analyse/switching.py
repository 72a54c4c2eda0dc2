"""Bundles that come and go under a worker, and ensembles that count how many of them are alive."""

import weakref
from dataclasses import dataclass, field, replace

from dcis_node.errors import BundleError
from dcis_node.model.bundle import Bundle
from tests.analyse.nodes import FakeEnsemble


@dataclass
class FakeBundles:
    """A registry in memory. A bundle in `broken` does not load."""

    known: list[Bundle]
    chosen: int = 0
    switches: int = 0
    broken: set[str] = field(default_factory=set)
    earlier: int | None = None

    def choose(self, number: int) -> None:
        self.chosen, self.switches = number, self.switches + 1

    def stamp(self) -> tuple[int, int, int] | None:
        return (self.switches, 0, 0)

    def active(self) -> Bundle:
        return self._load(self.known[self.chosen].sha256)

    def find(self, sha256: str) -> Bundle:
        return self._load(sha256)

    def before(self) -> Bundle | None:
        return None if self.earlier is None else self._load(self.known[self.earlier].sha256)

    def _load(self, sha256: str) -> Bundle:
        if sha256 in self.broken or sha256 not in {bundle.sha256 for bundle in self.known}:
            raise BundleError(f"bundle {sha256[:4]} does not load")
        return next(bundle for bundle in self.known if bundle.sha256 == sha256)


class Factory:
    """Builds fake ensembles whose probability tells which bundle spoke, and knows how many live."""

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Speaker] = weakref.WeakSet()
        self.most = 0
        self.built: list[str] = []
        self.error: Exception | None = None

    def __call__(self, bundle: Bundle) -> "Speaker":
        if self.error is not None:
            raise self.error
        speaker = Speaker(bundle, probability=bundle.threshold)
        self.alive.add(speaker)
        self.built.append(bundle.sha256)
        self.most = max(self.most, len(self.alive))
        return speaker


class Speaker(FakeEnsemble):
    """A fake ensemble that can be held weakly and hashed."""

    __hash__ = object.__hash__


def bundles_of_hashes(bundle: Bundle, *letters: str) -> list[Bundle]:
    """Give the same weights under other identities; thresholds 0.1, 0.2, ... tell them apart."""
    return [
        replace(bundle, sha256=letter * 64, manifest=bundle.manifest.model_copy(update={"threshold": number / 10}))
        for number, letter in enumerate(letters, 1)
    ]
