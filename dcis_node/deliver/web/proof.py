"""Ask a DICOMweb service after what it has taken: by QIDO-RS, since it has no storage commitment."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from dcis_node.deliver import proof_policy
from dcis_node.deliver.prover import Prover, put_off, settle_query
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.qido import find_stored
from storage.proofs import Unproven


@dataclass(frozen=True)
class WebProof:
    """Asks one service; `ask` is what a `Prover` needs."""

    web: WebAddress

    def ask(self, context: Prover, rows: Sequence[Unproven], now: float) -> None:
        """Ask after some objects of one study, and record what comes of it."""
        started = time.monotonic()
        answer = find_stored(rows, self.web)
        moment = now + time.monotonic() - started
        if answer.found or answer.missing:
            settle_query(context, rows, answer, moment)
            return
        until = moment + proof_policy.wait(rows[0], moment)
        put_off(context, rows, now=moment, until=until, text=answer.failure)
