"""The route to a DICOMweb service: STOW-RS, and QIDO-RS as the probe."""

from functools import partial
from pathlib import Path

from dcis_node.config import DestinationSettings
from dcis_node.deliver.route import Route
from dcis_node.deliver.web.address import web_address
from dcis_node.deliver.web.qido import probe
from dcis_node.deliver.web.stow import stow_files


def web_route(destination: DestinationSettings, *, base: Path, timeout_seconds: float) -> Route:
    """Make the route to a destination of kind dicomweb."""
    web = web_address(destination, base=base, timeout_seconds=timeout_seconds)
    return Route(web, partial(stow_files, web=web), partial(probe, web))
