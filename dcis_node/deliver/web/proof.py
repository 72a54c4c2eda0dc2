"""Ask a DICOMweb service after what it has taken: by QIDO-RS, since it has no storage commitment."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dcis_node.deliver import proof_policy
from dcis_node.deliver.prover import Prover, put_off, settle_query
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.qido import find_stored
from storage.proofs import Unproven

log = logging.getLogger(__name__)

# Who was asked and got no answer comes so much later than those who were put off with it: one study over which the
# service fails as a whole does not keep the others from being asked.
TURN_SECONDS = 1.0


@dataclass(frozen=True)
class WebProof:
    """Asks one service; `ask` is what a `Prover` needs."""

    web: WebAddress

    def ask(self, context: Prover, rows: Sequence[Unproven], now: float) -> None:
        """Ask after some objects of one study, and record what comes of it."""
        started = time.monotonic()
        answer = find_stored(rows, self.web)
        moment = now + time.monotonic() - started
        settle_query(context, rows, answer, moment)
        if answer.of_service:
            until = moment + min(proof_policy.wait(row, moment) for row in rows) - TURN_SECONDS
            put_off(context, (), now=moment, until=until, text=answer.failure)
        elif answer.failure:
            log.warning("event=proof_unasked destination=%s text=%r", context.destination, answer.failure)
