"""The analysis process: one for each device."""

from dcis_node.analyse.worker import run_worker
from dcis_node.config import Configuration
from dcis_node.operate.bundles import bundles_of
from dcis_node.operate.process import running_process
from dcis_node.operate.site import destinations_of, equipment_of


def run_analyse(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the analysis worker."""
    with running_process(configuration, name, lifeline=lifeline) as process:
        run_worker(
            db=process.db,
            files=process.files,
            bundles=bundles_of(configuration),
            settings=configuration.analyse,
            equipment=equipment_of(configuration),
            destinations=destinations_of(configuration),
            owner=process.owner,
            stop=process.stop,
            beat=lambda state: process.beat(state.to_json()),
        )
