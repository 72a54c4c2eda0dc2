"""Receivers of an earlier supervisor that had names of their own after a reload, and were killed: who clears up."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from dcis_node.errors import StorageError
from dcis_node.operate.children import ChildSpec, named
from dcis_node.operate.lock import is_held
from storage.database import Database
from storage.heartbeat import beats

log = logging.getLogger(__name__)

# `<role>-<number>.<generation>`, see `Supervisor.apply`.
_GENERATION = re.compile(r"(?P<slot>[a-z]+-\d+)\.\d+")


def left_over(db: Database, folder: Path, specs: Sequence[ChildSpec]) -> tuple[ChildSpec, ...]:
    """List the processes that have to be started once more under their old names, to close what they left open.

    A power cut leaves their sign of life, and their associations in the index as open; nobody else closes those.

    Parameters
    ----------
    specs
        The processes of the node.
    """
    try:
        with db.read() as session:
            names = [beat.process for beat in beats(session)]
    except StorageError as error:  # the next start looks again
        log.warning("event=left_over_unknown error=%r", str(error))
        return ()
    found = [(name, match["slot"]) for name in names if (match := _GENERATION.fullmatch(name))]
    like = {slot: _like(slot, specs) for _, slot in found}
    return tuple(
        named(spec, name) for name, slot in found if not is_held(folder, name) and (spec := like[slot]) is not None
    )


def _like(slot: str, specs: Sequence[ChildSpec]) -> ChildSpec | None:
    """Give a process that does the same work."""
    role = slot.rpartition("-")[0]
    return next((spec for spec in specs if spec.role == role), None)
