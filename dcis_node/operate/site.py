"""Who this node is and where its results go, as the results name it."""

from dcis_node import __version__
from dcis_node.config import Configuration
from dcis_node.results.answer import Equipment
from dcis_node.results.profiles import Destination, Profile

MANUFACTURER = "dcis-node project (research use only)"


def destinations_of(configuration: Configuration) -> tuple[Destination, ...]:
    """Say where results go, and what is shown there."""
    return tuple(
        Destination(
            d.name,
            Profile(d.profile),
            comprehensive=d.measurement_report == "comprehensive",
            senders=frozenset(d.senders),
        )
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
