"""The analysis process: one for each device."""

from dcis_node import __version__
from dcis_node.analyse.worker import run_worker
from dcis_node.config import Configuration
from dcis_node.operate.bundles import bundles_of
from dcis_node.operate.process import running_process
from dcis_node.results.answer import Equipment
from dcis_node.results.profiles import Destination, Profile

MANUFACTURER = "dcis-node project (research use only)"


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


def destinations_of(configuration: Configuration) -> tuple[Destination, ...]:
    """Say where results go, and what is shown there."""
    return tuple(
        Destination(d.name, Profile(d.profile), comprehensive=d.measurement_report == "comprehensive")
        for d in configuration.destinations
    )


def equipment_of(configuration: Configuration) -> Equipment:
    """Say who made the results."""
    return Equipment(
        manufacturer=MANUFACTURER,
        model_name="dcis-node",
        software_version=__version__,
        device_serial_number=configuration.node.aet,
        station_name=configuration.node.aet,
        institution=configuration.node.institution,
        aet=configuration.node.aet,
    )
