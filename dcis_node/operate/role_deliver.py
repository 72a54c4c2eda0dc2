"""The courier process."""

from collections.abc import Callable

from dcis_node.config import Configuration
from dcis_node.deliver.courier import run_courier
from dcis_node.operate.audit.folder import audit_folder
from dcis_node.operate.audit.trail import audit_trail
from dcis_node.operate.audit.unfinished import CourierTrail
from dcis_node.operate.index_waits import with_its_index
from dcis_node.operate.process import running_process


def run_deliver(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the courier."""
    with (
        running_process(configuration, name, lifeline=lifeline) as process,
        audit_trail(configuration, name, is_node=lifeline is None) as trail,
    ):
        told = CourierTrail(trail, audit_folder(configuration), name)
        told.tell_unfinished(process.db)

        def work(beat: Callable[[], None]) -> None:
            run_courier(
                db=process.db,
                files=process.files,
                destinations=configuration.destinations,
                settings=configuration.deliver,
                aet=configuration.node.aet,
                base=configuration.base.absolute(),
                owner=process.owner,
                stop=process.stop,
                beat=beat,
                notify=told.tell,
            )

        with_its_index(process, work)
