"""What new settings mean for a running node: which processes take them, and which keys need a restart. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from dcis_node.config import Configuration

# What is bound, opened or locked once, when the node starts; and the AE title by which its peers know it.
FIXED = (
    ("node", "aet"),
    ("storage", "folder"),
    ("storage", "index_url"),
    ("receive", "host"),
    ("receive", "port"),
    ("receive", "plain"),
    ("receive", "tls", "port"),
)
# Which processes read a section; one that is not named here is taken to be read by all.
READERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "receive": frozenset({"receive"}),
        # Reception groups what comes, the retriever what it fetches; the clock closes exams.
        "exam": frozenset({"receive", "retrieve", "clock"}),
        "analyse": frozenset({"analyse"}),
        # The clock's sweep decides what is asked for.
        "retrieve": frozenset({"retrieve", "clock"}),
        "retention": frozenset({"clock"}),
    }
)


@dataclass(frozen=True)
class Change:
    """What a reload has to do.

    Parameters
    ----------
    refused
        Keys that cannot be changed while the node runs; nothing may be changed then.
    sections
        Names of the sections that differ.
    """

    refused: tuple[str, ...]
    sections: tuple[str, ...]

    def is_read_by(self, role: str) -> bool:
        """Tell whether the processes of a role have to be started anew."""
        return any(role in READERS.get(section, (role,)) for section in self.sections)


def change_between(old: Configuration, new: Configuration) -> Change:
    """Compare two settings."""
    before, after = old.model_dump(), new.model_dump()
    refused = [".".join(key) for key in FIXED if _at(before, key) != _at(after, key)]
    # Whether there is a listener with TLS; another certificate for it is no matter.
    if bool(old.receive.tls.certificate) != bool(new.receive.tls.certificate):
        refused.append("receive.tls.certificate")
    sections = [name for name in after if name != "base" and before[name] != after[name]]
    return Change(tuple(refused), tuple(sections))


def refusal(keys: tuple[str, ...]) -> str:
    """Say why such a change was not taken."""
    return f"needs a restart: {', '.join(keys)}"


def _at(values: Mapping[str, Any], key: tuple[str, ...]) -> object:
    for part in key:
        values = values[part]
    return values
