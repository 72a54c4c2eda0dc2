"""A sweep of a node of these tests."""

import time

from storage.replay import Describe
from storage.sweep import Broom, Swept, sweep
from tests.analyse.nodes import Node


def sweep_now(node: Node, describe: Describe, **options) -> Swept:
    """Sweep as if the grace time of everything were over."""
    return sweep(Broom(node.db, node.files, describe, now=time.time() + 1, **{"grace_seconds": 0.0, **options}))
