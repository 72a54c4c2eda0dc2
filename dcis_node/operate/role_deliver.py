"""The courier process."""

from dcis_node.config import Configuration
from dcis_node.deliver.courier import run_courier
from dcis_node.operate.process import running_process


def run_deliver(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the courier."""
    with running_process(configuration, name, lifeline=lifeline) as process:
        run_courier(
            db=process.db,
            files=process.files,
            destinations=configuration.destinations,
            settings=configuration.deliver,
            aet=configuration.node.aet,
            owner=process.owner,
            stop=process.stop,
            beat=process.beat,
        )
