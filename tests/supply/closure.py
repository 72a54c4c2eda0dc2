"""Which distributions an installation of dcis-node consists of, by what each installed one says it requires."""

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

ROOT = "dcis-node"
# What runs at a hospital: the node, and the node with all that it can have. Tools of the tests are on no such machine.
RUNTIME = ("postgresql", "train")
TOOLS = (*RUNTIME, "test")


def plain(name: str) -> str:
    """Give a name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(extras: Iterable[str] = RUNTIME) -> dict[str, Distribution]:
    """List dcis-node and all that it requires here, by plain name.

    Raises
    ------
    PackageNotFoundError
        Something that is required is not installed: the environment is not one that could run.
    """
    found: dict[str, Distribution] = {}
    seen, due = set(), [(ROOT, frozenset(extras))]
    while due:
        name, wanted = due.pop()
        if (plain(name), wanted) in seen:
            continue
        seen.add((plain(name), wanted))
        found[plain(name)] = distribution(name)
        due += [(one.name, frozenset(one.extras)) for one in _requirements(found[plain(name)], wanted)]
    return found


def _requirements(dist: Distribution, extras: frozenset[str]) -> list[Requirement]:
    every = [Requirement(text) for text in dist.requires or ()]
    return [one for one in every if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras | {""})]


def is_installed(name: str) -> bool:
    """Tell whether a distribution is here at all."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
